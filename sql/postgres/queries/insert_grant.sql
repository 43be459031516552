INSERT INTO entitlements.grants
(
    id, tenant_id, customer_id, feature_id, quantity, priority, metadata, valid_from, valid_to,
    recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(customer_id)s, %(feature_id)s, %(quantity)s, %(priority)s,
    %(metadata)s, %(start)s, %(end)s, %(recorded_at)s
)
