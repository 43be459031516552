INSERT INTO entitlements.usage_counters
(
    tenant_id, customer_id, feature_id, subscription_id, period, cut, used, limit_quantity, granted,
    room, hard, as_of
)
VALUES
(
    %(tenant_id)s, %(customer_id)s, %(feature_id)s, %(subscription_id)s,
    tstzrange(%(start)s, %(end)s), %(cut)s, %(used)s, %(limit)s, %(granted)s, %(room)s, %(hard)s,
    %(as_of)s
)
ON CONFLICT (tenant_id, customer_id, feature_id) DO UPDATE
SET (subscription_id, period, cut, used, limit_quantity, granted, room, hard, as_of) = (
    excluded.subscription_id, excluded.period, excluded.cut, excluded.used,
    excluded.limit_quantity, excluded.granted, excluded.room, excluded.hard, excluded.as_of
)
