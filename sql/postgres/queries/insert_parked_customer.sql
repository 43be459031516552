INSERT INTO invoicing.parked_customers
    (id, tenant_id, billing_run_id, customer_id, error_code, error_message, parked_at)
VALUES
    (%(id)s, %(tenant_id)s, %(billing_run_id)s, %(customer_id)s, %(error_code)s, %(error_message)s,
     %(parked_at)s)
ON CONFLICT (billing_run_id, customer_id) DO NOTHING
