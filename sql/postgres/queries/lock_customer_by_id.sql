-- What a customer's subscriptions price together changes one after the other.
SELECT id
FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
FOR NO KEY UPDATE
