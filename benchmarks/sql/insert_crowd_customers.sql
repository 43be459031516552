INSERT INTO subscriptions.customers
    (id, tenant_id, slug, name, time_zone, currency, valid_from, recorded_from)
SELECT customer_id, tenant_id, 'c-' || number, 'Customer ' || number, time_zone, 'USD', anchor_at, anchor_at
FROM benchmark_crowd
WHERE tenant_id = %(tenant_id)s AND number BETWEEN %(first)s AND %(last)s
ORDER BY number
