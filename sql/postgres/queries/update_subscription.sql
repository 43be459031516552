UPDATE subscriptions.subscriptions
SET plan_id = (SELECT plan_id FROM catalog.plan_versions WHERE id = %(plan_version_id)s),
    plan_version_id = %(plan_version_id)s, status = %(status)s, ended_at = %(ended_at)s,
    period_start = %(period_start)s, period_end = %(period_end)s, start_at = %(start_at)s,
    quantities = %(quantities)s, addons = %(addons)s, trial_ends_at = %(trial_ends_at)s, trial_converts = %(trial_converts)s,
    cancel_at = %(cancel_at)s, expires_at = %(expires_at)s, over_at = %(over_at)s,
    failed_payments = %(failed_payments)s, retry_at = %(retry_at)s, grace_ends_at = %(grace_ends_at)s,
    next_step_at = %(next_step_at)s, revision = revision + 1, metadata = %(metadata)s,
    stretch_start = %(stretch_start)s,
    opening = EXISTS (
        SELECT FROM catalog.rate_cards
        WHERE plan_version_id = ANY(%(opening_versions)s) AND timing = 'in_advance'
    ),
    valid_from = %(valid_from)s, recorded_from = %(recorded_at)s
WHERE id = %(id)s
