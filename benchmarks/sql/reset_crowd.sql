-- What was due is due again.
UPDATE subscriptions.subscriptions AS subscription
SET billed_until = NULL, period_start = crowd.period_start, period_end = crowd.period_end
FROM benchmark_crowd AS crowd
WHERE crowd.tenant_id = %(tenant_id)s AND crowd.due AND subscription.id = crowd.subscription_id
    AND subscription.period_start <> crowd.period_start
