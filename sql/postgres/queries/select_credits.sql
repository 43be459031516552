SELECT id, currency, ended_at, credit_minor
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(subscription_ids)s) AND credit_minor > 0
ORDER BY id
