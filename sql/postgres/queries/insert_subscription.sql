INSERT INTO subscriptions.subscriptions
(
    id, tenant_id, slug, customer_id, plan_id, plan_version_id, status, billing_cycle, currency,
    time_zone, anchor_at, ended_at, period_start, period_end, start_at, activation, quantities, addons,
    subjects, trial_ends_at, trial_converts, cancel_at, expires_at, over_at, failed_payments,
    retry_at, grace_ends_at, next_step_at, metadata, valid_from, recorded_from, billed_until,
    stretch_start, opened_at, came_at, advance_from, opening
)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(customer_id)s, %(plan_id)s, %(plan_version_id)s, %(status)s,
    %(billing_cycle)s, %(currency)s, %(time_zone)s, %(anchor_at)s, %(ended_at)s, %(period_start)s,
    %(period_end)s, %(start_at)s, %(activation)s, %(quantities)s, %(addons)s, %(subjects)s, %(trial_ends_at)s,
    %(trial_converts)s, %(cancel_at)s, %(expires_at)s, %(over_at)s, %(failed_payments)s,
    %(retry_at)s, %(grace_ends_at)s, %(next_step_at)s, %(metadata)s, %(valid_from)s, %(recorded_at)s,
    %(billed_until)s, %(stretch_start)s, %(opened_at)s, %(came_at)s, %(advance_from)s,
    EXISTS (
        SELECT FROM catalog.rate_cards
        WHERE plan_version_id = ANY(%(opening_versions)s) AND timing = 'in_advance'
    )
)
ON CONFLICT (tenant_id, slug) DO NOTHING
