-- What these invoices say on behalf of other tenants.
SELECT * FROM invoicing.received_groups WHERE invoice_id = ANY(%(invoice_ids)s)
