SELECT
    id, customer_id, feature_id, usage_type AS feature, quantity, held_at, expires_at, outcome,
    closed_at, record_id, metadata
FROM entitlements.holds
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
