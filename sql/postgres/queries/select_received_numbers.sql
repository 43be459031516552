-- The numbers of the invoices that drafts of another tenant became groups of.
SELECT received.draft_id, invoice.number_text
FROM invoicing.received_groups AS received
JOIN invoicing.invoices AS invoice ON invoice.id = received.invoice_id
WHERE received.tenant_id = %(tenant_id)s
  AND received.member_tenant_id = %(member_tenant_id)s
  AND received.draft_id = ANY(%(draft_ids)s)
  AND invoice.number_text IS NOT NULL
