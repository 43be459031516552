-- Drafts become the groups of one invoice.
UPDATE invoicing.invoices
SET status = 'part', part_of = %(invoice_id)s, finalised_at = %(finalised_at)s
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s) AND status = 'draft'
