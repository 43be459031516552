UPDATE catalog.pricing_plans
SET name = %(name)s, prices = %(prices)s, limits = %(limits)s,
    valid_from = %(now)s, recorded_from = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
