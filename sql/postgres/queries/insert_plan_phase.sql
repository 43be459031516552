INSERT INTO catalog.plan_phases
(
    id, tenant_id, plan_version_id, position, key, name, lasts, trial, free_meters, quantities,
    valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(plan_version_id)s, %(position)s, %(key)s, %(name)s, %(lasts)s, %(trial)s,
    %(free_meters)s, %(quantities)s, %(now)s, %(now)s
)
