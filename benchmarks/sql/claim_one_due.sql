SELECT id, period_start, period_end
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND period_end <= %(as_of)s AND (ended_at IS NULL OR period_start < ended_at)
ORDER BY tenant_id, customer_id, id
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED
