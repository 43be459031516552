-- A customer whose drafts are in is not parked any more.
DELETE FROM invoicing.parked_customers
WHERE tenant_id = %(tenant_id)s
  AND billing_run_id = %(billing_run_id)s
  AND customer_id = ANY(%(customer_ids)s)
