-- Those of them that nobody else bills or changes right now, with what is to be billed next.
SELECT id, period_start, opening, revision
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(subscription_ids)b)
ORDER BY id
FOR NO KEY UPDATE SKIP LOCKED
