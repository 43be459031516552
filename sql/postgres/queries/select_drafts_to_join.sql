-- A run's drafts for payers who pay for others in it, or have a group of another tenant waiting.
SELECT id, customer_id
FROM invoicing.invoices
WHERE tenant_id = %(tenant_id)s
  AND billing_run_id = %(billing_run_id)s
  AND status = 'draft'
  AND customer_id IN
  (
      SELECT customer_id FROM invoicing.invoices
      WHERE tenant_id = %(tenant_id)s AND billing_run_id = %(billing_run_id)s
        AND status = 'draft' AND for_customer_id IS NOT NULL
      UNION ALL
      SELECT unnest(%(payer_ids)s::uuid[])
  )
ORDER BY customer_id, id
