INSERT INTO entitlements.usage_records
(
    id, tenant_id, subscription_id, customer_id, feature_id, usage_type, quantity, period, subject,
    event_type, event_key, data, occurred_at, created_at, metadata
)
VALUES
(
    %(id)s, %(tenant_id)s, %(subscription_id)s, %(customer_id)s, %(feature_id)s, %(usage_type)s,
    %(quantity)s, tstzrange(%(start)s, %(end)s), %(subject)s, %(event_type)s, %(event_key)s,
    %(data)s, %(occurred_at)s, %(created_at)s, %(metadata)s
)
