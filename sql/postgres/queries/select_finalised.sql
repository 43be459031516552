-- The invoices of a run, in the order of their numbers.
SELECT id, number_text, customer_id, for_customer_id, subscription_id, total_minor, currency
FROM invoicing.invoices
WHERE tenant_id = %(tenant_id)s AND billing_run_id = %(billing_run_id)s AND status <> 'draft'
ORDER BY series_id, number
