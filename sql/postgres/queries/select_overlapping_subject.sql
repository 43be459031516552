SELECT
    customer.slug AS customer,
    subject.valid_from::text AS valid_from,
    subject.valid_to::text AS valid_to,
    subject.customer_id = %(customer_id)s
        AND subject.valid_from = %(valid_from)s
        AND subject.valid_to = coalesce(%(valid_to)s::timestamptz, 'infinity') AS same
FROM subscriptions.subjects AS subject
JOIN subscriptions.customers AS customer ON customer.id = subject.customer_id
WHERE subject.tenant_id = %(tenant_id)s
    AND subject.subject = %(subject)s
    AND subject.recorded_to = 'infinity'
    AND subject.valid_from < coalesce(%(valid_to)s::timestamptz, 'infinity')
    AND subject.valid_to > %(valid_from)s
ORDER BY subject.valid_from
LIMIT 1
