INSERT INTO subscriptions.contracts
(
    id, tenant_id, slug, name, customer_id, subscription_id, minimum_price_id, expires, metadata,
    valid_from, valid_to, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(name)s, %(customer_id)s, %(subscription_id)s,
    %(minimum_price_id)s, %(expires)s, %(metadata)s, %(start)s,
    coalesce(%(end)s::timestamptz, 'infinity'), %(now)s
)
ON CONFLICT (tenant_id, slug) DO NOTHING
