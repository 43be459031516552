INSERT INTO subscriptions.subscriptions
(
    id, tenant_id, slug, customer_id, plan_id, plan_version_id, status, billing_cycle, currency, time_zone,
    anchor_at, start_at, period_start, period_end, valid_from, recorded_from
)
SELECT
    gen_random_uuid(), customer.tenant_id, 's-' || %(number)s::text, customer.id, version.plan_id, version.id,
    'ACTIVE', 'monthly', 'USD', customer.time_zone, '2024-07-01', '2024-07-01', '2024-07-01', '2024-08-01',
    '2024-07-01', '2024-07-01'
FROM subscriptions.customers AS customer
JOIN catalog.plan_versions AS version ON version.tenant_id = customer.tenant_id
WHERE customer.tenant_id = %(tenant_id)s AND customer.slug = 'c-' || %(number)s::text AND customer.deleted_at IS NULL
