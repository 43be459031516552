INSERT INTO catalog.pricing_plans
    (id, tenant_id, slug, name, prices, limits, valid_from, recorded_from)
VALUES
    (%(id)s, %(tenant_id)s, %(slug)s, %(name)s, %(prices)s, %(limits)s, %(now)s, %(now)s)
ON CONFLICT (tenant_id, slug) DO NOTHING
