SELECT id, customer_id
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s
    AND (%(id)s::uuid IS NULL OR id = %(id)s)
    AND (%(slug)s::text IS NULL OR slug = %(slug)s)
