-- The earliest period of each that is not invoiced yet; nobody else bills them until commit.
SELECT id, period_start
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(subscription_ids)s)
ORDER BY id
FOR UPDATE
