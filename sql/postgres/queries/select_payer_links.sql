-- What holds of who invoices whose customers, the oldest first; null leaves a filter out.
SELECT
    link.id, link.side, link.customer_id, customer.slug, link.other_tenant_id, link.other_customer_id,
    link.currency, link.offered_at, link.accepted_at
FROM invoicing.payer_links AS link
JOIN subscriptions.customers AS customer ON customer.id = link.customer_id
WHERE link.tenant_id = %(tenant_id)s
  AND link.ended_at IS NULL
  AND (%(customer_id)s::uuid IS NULL OR link.customer_id = %(customer_id)s)
ORDER BY link.offered_at, link.id
