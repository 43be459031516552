SELECT *
FROM invoicing.invoice_lines
WHERE invoice_id = ANY(%(invoice_ids)s)
ORDER BY invoice_id, position
