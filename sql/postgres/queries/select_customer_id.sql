SELECT id FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s AND slug = %(slug)s AND deleted_at IS NULL
