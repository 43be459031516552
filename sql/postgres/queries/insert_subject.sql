INSERT INTO subscriptions.subjects
    (id, tenant_id, customer_id, subject, valid_from, valid_to, recorded_from)
VALUES
(
    %(id)s, %(tenant_id)s, %(customer_id)s, %(subject)s, %(valid_from)s,
    coalesce(%(valid_to)s::timestamptz, 'infinity'), %(now)s
)
