-- Subscriptions for which something came by itself; those that somebody works on are left to them.
SELECT id, customer_id
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND next_step_at <= %(as_of)s
ORDER BY next_step_at, id
LIMIT %(limit)s
FOR NO KEY UPDATE SKIP LOCKED
