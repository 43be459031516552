UPDATE catalog.pricing_plans
SET name = %(name)s, description = %(description)s, public = %(public)s, metadata = %(metadata)s,
    limits = %(limits)s, archived_at = %(archived_at)s,
    valid_from = greatest(%(now)s, valid_from),
    recorded_from = greatest(%(now)s, recorded_from + interval '1 microsecond')
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
