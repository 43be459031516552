UPDATE subscriptions.subscription_pauses
SET recorded_to = %(recorded_at)s
WHERE subscription_id = %(subscription_id)s AND recorded_to = 'infinity' AND valid_from = ANY(%(starts)s)
