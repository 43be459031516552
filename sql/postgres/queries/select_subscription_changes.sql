SELECT revision, change, before, after, actor, correlation_id, effective_at, created_at
FROM subscriptions.subscription_changes
WHERE tenant_id = %(tenant_id)s AND subscription_id = %(subscription_id)s AND revision > %(after)s
ORDER BY revision
LIMIT %(limit)s
