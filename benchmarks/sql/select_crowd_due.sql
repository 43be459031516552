SELECT subscription.id, subscription.customer_id, subscription.plan_id, subscription.plan_version_id
FROM benchmark_crowd AS crowd
JOIN subscriptions.subscriptions AS subscription ON subscription.id = crowd.subscription_id
WHERE crowd.tenant_id = %(tenant_id)s AND crowd.due AND crowd.subscribes
ORDER BY crowd.number
LIMIT %(limit)s
