-- When the subject's links were last changed; null if it never had one.
SELECT max(greatest(recorded_from, nullif(recorded_to, 'infinity'))) AS at
FROM subscriptions.subjects
WHERE tenant_id = %(tenant_id)s AND subject = %(subject)s
