SELECT
    subscription_id, plan_version_id, nullif(quantities, '{}') AS quantities,
    nullif(addons, '{}') AS addons, trial, phase, valid_from, nullif(valid_to, 'infinity') AS valid_to
FROM subscriptions.subscription_terms
WHERE subscription_id = ANY(%(subscription_ids)b) AND recorded_to = 'infinity'
ORDER BY subscription_id, valid_from
