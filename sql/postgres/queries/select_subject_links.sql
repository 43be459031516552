SELECT customer_id, subject, valid_from, nullif(valid_to, 'infinity') AS valid_to
FROM subscriptions.subjects
WHERE customer_id = ANY(%(customer_ids)b) AND recorded_to = 'infinity'
