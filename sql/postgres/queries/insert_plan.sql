INSERT INTO catalog.pricing_plans
(
    id, tenant_id, slug, kind, name, description, public, prices, limits, metadata, valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(kind)s, %(name)s, %(description)s, %(public)s, %(prices)s, %(limits)s,
    %(metadata)s, %(now)s, %(now)s
)
ON CONFLICT (tenant_id, slug) DO NOTHING
