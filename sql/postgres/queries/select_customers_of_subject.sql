-- Who pays for a subject, at any time, as known now.
SELECT DISTINCT customer_id
FROM subscriptions.subjects
WHERE tenant_id = %(tenant_id)s AND subject = %(subject)s AND recorded_to = 'infinity'
