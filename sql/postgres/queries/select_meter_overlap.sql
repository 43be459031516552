-- Where another subscription of the same customer prices a meter of this one at the same time, for a
-- subject that both bill.
SELECT other.slug, meter.slug AS meter, greatest(theirs.valid_from, ours.valid_from) AS since
FROM subscriptions.subscriptions AS mine
JOIN subscriptions.subscription_terms AS ours
    ON ours.subscription_id = mine.id AND ours.recorded_to = 'infinity'
JOIN subscriptions.subscriptions AS other
    ON other.tenant_id = mine.tenant_id AND other.customer_id = mine.customer_id AND other.id <> mine.id
JOIN subscriptions.subscription_terms AS theirs
    ON theirs.subscription_id = other.id AND theirs.recorded_to = 'infinity'
CROSS JOIN LATERAL (
    SELECT ours.plan_version_id AS id UNION ALL SELECT key::uuid FROM jsonb_object_keys(ours.addons) AS key
) AS we
CROSS JOIN LATERAL (
    SELECT theirs.plan_version_id AS id UNION ALL SELECT key::uuid FROM jsonb_object_keys(theirs.addons) AS key
) AS they
JOIN catalog.rate_cards AS wanted ON wanted.plan_version_id = we.id
JOIN catalog.rate_cards AS taken ON taken.plan_version_id = they.id AND taken.meter_id = wanted.meter_id
JOIN catalog.meters AS meter ON meter.id = wanted.meter_id
WHERE mine.tenant_id = %(tenant_id)s
    AND mine.id = %(id)s
    AND greatest(theirs.valid_from, ours.valid_from)
        < least(theirs.valid_to, ours.valid_to, mine.ended_at, other.ended_at)
    AND (mine.subjects IS NULL OR other.subjects IS NULL OR mine.subjects && other.subjects)
ORDER BY other.slug, meter.slug
LIMIT 1
