INSERT INTO subscriptions.subscriptions
(
    id, tenant_id, slug, customer_id, plan_id, plan_version_id, status, billing_cycle, currency,
    time_zone, anchor_at, period_start, period_end, valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(customer_id)s, %(plan_id)s, %(plan_version_id)s, %(status)s,
    %(billing_cycle)s, %(currency)s, %(time_zone)s, %(anchor)s, %(period_start)s, %(period_end)s,
    %(anchor)s, %(now)s
)
