INSERT INTO entitlements.holds
(
    id, tenant_id, customer_id, feature_id, usage_type, quantity, held_at, expires_at, created_at,
    metadata
)
VALUES
(
    %(id)s, %(tenant_id)s, %(customer_id)s, %(feature_id)s, %(usage_type)s, %(quantity)s,
    %(held_at)s, %(expires_at)s, %(created_at)s, %(metadata)s
)
