SELECT customer_id
FROM subscriptions.subjects
WHERE tenant_id = %(tenant_id)s
    AND subject = %(subject)s
    AND valid_from <= %(at)s AND %(at)s < valid_to
    AND CASE
        WHEN %(known_at)s::timestamptz IS NULL THEN recorded_to = 'infinity'
        ELSE recorded_from <= %(known_at)s AND %(known_at)s < recorded_to
    END
