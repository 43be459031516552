-- A run's drafts for payers that another tenant invoices, and took: none gets a number here.
WITH handed AS
(
    UPDATE invoicing.invoices
    SET status = 'handed_over', finalised_at = %(handed_at)s
    FROM invoicing.payer_links AS link
    WHERE invoices.tenant_id = %(tenant_id)s
      AND invoices.billing_run_id = %(billing_run_id)s
      AND invoices.status = 'draft'
      AND link.tenant_id = %(tenant_id)s
      AND link.side = 'gives'
      AND link.customer_id = invoices.customer_id
      AND link.currency = invoices.currency
      AND link.accepted_at IS NOT NULL
      AND link.ended_at IS NULL
    RETURNING
        invoices.id, invoices.customer_id, invoices.for_customer_id, invoices.currency,
        invoices.total_minor, link.other_tenant_id
),
written AS
(
    INSERT INTO invoicing.hand_overs (tenant_id, invoice_id, home_tenant_id, handed_at)
    SELECT %(tenant_id)s, id, other_tenant_id, %(handed_at)s FROM handed
)
SELECT * FROM handed ORDER BY customer_id, id
