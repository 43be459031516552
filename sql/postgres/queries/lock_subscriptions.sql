-- All of them, with what is to be billed next; whoever bills or changes one is waited for.
SELECT id, period_start, opening, revision
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(subscription_ids)b)
ORDER BY id
FOR NO KEY UPDATE
