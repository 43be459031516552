SELECT subscription_id, billing, service, valid_from, nullif(valid_to, 'infinity') AS valid_to
FROM subscriptions.subscription_pauses
WHERE subscription_id = ANY(%(subscription_ids)b) AND recorded_to = 'infinity'
ORDER BY subscription_id, valid_from
