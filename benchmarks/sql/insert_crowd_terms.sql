INSERT INTO subscriptions.subscription_terms
    (id, tenant_id, subscription_id, plan_version_id, quantities, valid_from, valid_to, recorded_from)
SELECT
    subscription.id, subscription.tenant_id, subscription.id, subscription.plan_version_id, subscription.quantities,
    subscription.start_at, coalesce(subscription.ended_at, 'infinity'), subscription.recorded_from
FROM benchmark_crowd AS crowd
JOIN subscriptions.subscriptions AS subscription ON subscription.id = crowd.subscription_id
WHERE crowd.tenant_id = %(tenant_id)s AND crowd.number BETWEEN %(first)s AND %(last)s
ORDER BY crowd.number
