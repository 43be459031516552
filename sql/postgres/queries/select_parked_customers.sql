SELECT customer_id, error_code, error_message
FROM invoicing.parked_customers
WHERE tenant_id = %(tenant_id)s AND billing_run_id = %(billing_run_id)s
ORDER BY customer_id
