-- The links of a subject, as known now, that meet a range of time.
SELECT
    link.id, link.tenant_id, link.customer_id, customer.slug AS customer, link.subject,
    link.valid_from, nullif(link.valid_to, 'infinity') AS valid_to
FROM subscriptions.subjects AS link
JOIN subscriptions.customers AS customer
    ON customer.tenant_id = link.tenant_id AND customer.id = link.customer_id
WHERE link.tenant_id = %(tenant_id)s
  AND link.subject = %(subject)s
  AND link.recorded_to = 'infinity'
  AND link.valid_from < coalesce(%(valid_to)s::timestamptz, 'infinity')
  AND link.valid_to > %(valid_from)s
ORDER BY link.valid_from
