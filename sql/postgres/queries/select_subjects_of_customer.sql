SELECT id, subject, valid_from, nullif(valid_to, 'infinity') AS valid_to
FROM subscriptions.subjects
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND recorded_to = 'infinity'
ORDER BY subject, valid_from
