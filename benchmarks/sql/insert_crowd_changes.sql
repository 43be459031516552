INSERT INTO subscriptions.subscription_changes
    (id, tenant_id, subscription_id, revision, change, after, actor, correlation_id, effective_at, created_at)
SELECT subscription_id, tenant_id, subscription_id, 1, 'create', '{}', 'system', '', anchor_at, anchor_at
FROM benchmark_crowd
WHERE tenant_id = %(tenant_id)s AND number BETWEEN %(first)s AND %(last)s AND subscribes
ORDER BY number
