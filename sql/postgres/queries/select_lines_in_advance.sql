-- What subscriptions were billed in advance and no settlement took back, by invoices that ended at
-- since or later.
SELECT invoice.subscription_id, line.*
FROM unnest(%(subscription_ids)s::uuid[], %(since)s::timestamptz[]) AS wanted (subscription_id, since)
JOIN invoicing.invoices AS invoice
    ON invoice.subscription_id = wanted.subscription_id AND invoice.period_end >= wanted.since
JOIN invoicing.invoice_lines AS line ON line.invoice_id = invoice.id
WHERE invoice.tenant_id = %(tenant_id)s AND invoice.subscription_id = ANY(%(subscription_ids)s)
    AND line.in_advance AND line.settles IS NULL
    AND NOT EXISTS (SELECT FROM invoicing.invoice_lines AS later WHERE later.settles = line.id)
ORDER BY invoice.subscription_id, invoice.period_start, invoice.kind, line.position
