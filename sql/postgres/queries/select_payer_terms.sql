-- How payers want their invoices.
SELECT id, time_zone, invoices
FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(customer_ids)s)
