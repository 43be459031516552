INSERT INTO subscriptions.subscription_pauses
    (id, tenant_id, subscription_id, billing, service, valid_from, recorded_from)
SELECT subscription_id, tenant_id, subscription_id, true, false, %(paused_at)s, %(paused_at)s
FROM benchmark_crowd
WHERE tenant_id = %(tenant_id)s AND number BETWEEN %(first)s AND %(last)s AND subscribes AND paused
ORDER BY number
