-- The drafts that became groups of these invoices.
SELECT * FROM invoicing.invoices WHERE part_of = ANY(%(invoice_ids)s)
