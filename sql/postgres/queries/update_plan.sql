-- Each knowledge has an instant of its own, also where a clock stands still.
UPDATE catalog.pricing_plans
SET name = %(name)s, prices = %(prices)s, limits = %(limits)s,
    valid_from = greatest(%(now)s, valid_from),
    recorded_from = greatest(%(now)s, recorded_from + interval '1 microsecond')
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
