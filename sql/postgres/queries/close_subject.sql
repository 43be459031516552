UPDATE subscriptions.subjects
SET recorded_to = %(now)s
WHERE tenant_id = %(tenant_id)s
    AND subject = %(subject)s
    AND recorded_to = 'infinity'
    AND valid_from < %(at)s
    AND valid_to > %(at)s
RETURNING customer_id, valid_from
