INSERT INTO subscriptions.subjects (id, tenant_id, customer_id, subject, valid_from, recorded_from)
SELECT customer_id, tenant_id, customer_id, 'subject-' || number, '1970-01-01', anchor_at
FROM benchmark_crowd
WHERE tenant_id = %(tenant_id)s AND number BETWEEN %(first)s AND %(last)s
ORDER BY number
