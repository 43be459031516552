INSERT INTO catalog.plan_entitlements
(
    id, tenant_id, plan_version_id, feature_id, limit_quantity, hard, reset, value, valid_from,
    recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(plan_version_id)s, %(feature_id)s, %(limit_quantity)s, %(hard)s,
    %(reset)s, %(value)s, %(now)s, %(now)s
)
