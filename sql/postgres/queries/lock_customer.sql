SELECT id, tenant_id, slug, name, time_zone, currency, billing_info
FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s AND slug = %(slug)s
FOR UPDATE
