SELECT id, name, billing_info
FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(customer_ids)s)
