-- Subscriptions as they stand, by slug; infinity is no instant to psycopg.
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
    subscription.revision, subscription.metadata, subscription.valid_from,
    subscription.recorded_from
FROM subscriptions.subscriptions AS subscription
JOIN subscriptions.customers AS customer ON customer.id = subscription.customer_id
JOIN catalog.plan_versions AS version ON version.id = subscription.plan_version_id
JOIN catalog.pricing_plans AS plan ON plan.id = subscription.plan_id
WHERE subscription.tenant_id = %(tenant_id)s
    AND (%(id)s::uuid IS NULL OR subscription.id = %(id)s)
    AND (%(slug)s::text IS NULL OR subscription.slug = %(slug)s)
    AND (%(customer_id)s::uuid IS NULL OR subscription.customer_id = %(customer_id)s)
    AND (%(status)s::text IS NULL OR subscription.status = %(status)s)
    AND subscription.slug > %(after)s
ORDER BY subscription.slug
LIMIT %(limit)s
