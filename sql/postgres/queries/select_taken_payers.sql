-- For whom this tenant invoices customers of another one; the newest word counts, also when it was
-- taken back since: what was handed over before that arrives.
SELECT DISTINCT ON (link.other_customer_id)
    link.other_customer_id, link.customer_id, customer.slug, customer.currency, customer.deleted_at
FROM invoicing.payer_links AS link
JOIN subscriptions.customers AS customer ON customer.id = link.customer_id
WHERE link.tenant_id = %(tenant_id)s
  AND link.side = 'takes'
  AND link.other_tenant_id = %(member_tenant_id)s
ORDER BY link.other_customer_id, link.accepted_at DESC, link.id DESC
