-- Commands on one subscription come one after the other, until commit.
SELECT customer_id
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
FOR NO KEY UPDATE
