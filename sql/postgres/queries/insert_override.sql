INSERT INTO entitlements.overrides
(
    id, tenant_id, customer_id, feature_id, given, limit_quantity, hard, reset, value, metadata,
    valid_from, valid_to, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(customer_id)s, %(feature_id)s, %(given)s, %(limit)s, %(hard)s,
    %(reset)s, %(value)s, %(metadata)s, %(start)s, coalesce(%(end)s::timestamptz, 'infinity'),
    %(recorded_at)s
)
