SELECT slug FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s AND parent_id = %(id)s AND deleted_at IS NULL
ORDER BY id
LIMIT 20
