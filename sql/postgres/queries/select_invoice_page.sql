-- Invoices, the oldest first, no parts of others; null leaves a filter out.
SELECT *
FROM invoicing.invoices
WHERE tenant_id = %(tenant_id)s
  AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
  AND part_of IS NULL
  AND id > %(after)s
ORDER BY id
LIMIT %(limit)s
