SELECT
    tenant_id, customer_id, id, plan_version_id, currency, time_zone, billing_cycle, anchor_at,
    period_start, period_end, ended_at, opening, stretch_start, came_at, advance_from,
    subjects, revision
FROM subscriptions.subscriptions
WHERE due_at <= %(as_of)s
    AND (ended_at IS NULL OR period_start < ended_at)
    AND (status <> 'FREE' OR activation = 'start')
    AND (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s)
    AND (%(subscription_id)s::uuid IS NULL OR id = %(subscription_id)s)
    AND (tenant_id, customer_id, id)
        >= (%(after_tenant_id)s::uuid, %(after_customer_id)s::uuid, %(after_id)s::uuid)
ORDER BY tenant_id, customer_id, id
LIMIT %(limit)s
