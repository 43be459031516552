INSERT INTO subscriptions.subscriptions
(
    id, tenant_id, slug, customer_id, plan_id, plan_version_id, status, billing_cycle, currency, time_zone,
    anchor_at, start_at, quantities, cancel_at, ended_at, next_step_at, period_start, period_end, valid_from,
    recorded_from
)
SELECT
    crowd.subscription_id, crowd.tenant_id, 's-' || crowd.number, crowd.customer_id, version.plan_id, version.id,
    CASE mod(crowd.number, 97) WHEN 0 THEN 'PAST_DUE' ELSE 'ACTIVE' END, 'monthly', 'USD', crowd.time_zone,
    crowd.anchor_at, crowd.anchor_at,
    CASE mod(crowd.number, 4) WHEN 0 THEN '{"seats": "3"}'::jsonb ELSE '{}'::jsonb END,
    crowd.ended_at, crowd.ended_at, crowd.ended_at, crowd.period_start, crowd.period_end, crowd.anchor_at,
    crowd.anchor_at
FROM benchmark_crowd AS crowd
JOIN catalog.plan_versions AS version ON version.tenant_id = crowd.tenant_id
WHERE crowd.tenant_id = %(tenant_id)s AND crowd.number BETWEEN %(first)s AND %(last)s AND crowd.subscribes
ORDER BY crowd.number
