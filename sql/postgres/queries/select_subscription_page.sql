-- Subscriptions as they stand, by slug; infinity is no instant to psycopg. The page comes before the
-- joins: what joins keep is guessed too low under row-level security, and all rows were sorted.
SELECT
    subscription.id, subscription.tenant_id, subscription.slug, subscription.customer_id,
    customer.slug AS customer, subscription.plan_id, plan.slug AS plan, version.number AS plan_number,
    subscription.plan_version_id, subscription.stripe_subscription_id, subscription.status,
    subscription.billing_cycle, subscription.currency, subscription.time_zone, subscription.anchor_at,
    subscription.start_at, subscription.activation, subscription.quantities, subscription.addons, subscription.subjects,
    subscription.trial_ends_at, subscription.trial_converts, subscription.cancel_at,
    subscription.expires_at, subscription.over_at, subscription.failed_payments,
    subscription.retry_at, subscription.grace_ends_at, subscription.next_step_at,
    subscription.period_start, subscription.period_end, subscription.billed_until,
    subscription.stretch_start, subscription.opened_at, subscription.credit_minor,
    subscription.came_at, subscription.advance_from,
    subscription.revision, subscription.metadata, subscription.valid_from,
    subscription.recorded_from
FROM
(
    SELECT * FROM subscriptions.subscriptions
    WHERE tenant_id = %(tenant_id)s
        AND (%(id)s::uuid IS NULL OR id = %(id)s)
        AND (%(slug)s::text IS NULL OR slug = %(slug)s)
        AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
        AND (%(status)s::text IS NULL OR status = %(status)s)
        AND slug > %(after)s
    ORDER BY slug
    LIMIT %(limit)s
) AS subscription
JOIN subscriptions.customers AS customer ON customer.id = subscription.customer_id
JOIN catalog.plan_versions AS version ON version.id = subscription.plan_version_id
JOIN catalog.pricing_plans AS plan ON plan.id = subscription.plan_id
ORDER BY subscription.slug
