-- In the order of their ids, so that two who lock the same ones never wait for each other.
SELECT id
FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE
