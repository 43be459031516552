INSERT INTO subscriptions.customers
(
    id, tenant_id, slug, name, billing_info, time_zone, currency, valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(name)s, %(billing_info)s, %(time_zone)s, %(currency)s,
    %(now)s, %(now)s
)
ON CONFLICT (tenant_id, slug) DO NOTHING
RETURNING id
