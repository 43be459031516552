SELECT
    subscription.id, subscription.customer_id, subscription.plan_id, subscription.plan_version_id,
    version.number, subscription.status, subscription.billing_cycle,
    subscription.anchor_at, subscription.period_start, subscription.period_end
FROM subscriptions.subscriptions AS subscription
JOIN catalog.plan_versions AS version ON version.id = subscription.plan_version_id
WHERE subscription.tenant_id = %(tenant_id)s AND subscription.slug = %(slug)s
