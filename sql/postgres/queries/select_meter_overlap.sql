-- A subscription of the customer that is alive after the anchor and prices a meter of the plan.
SELECT other.slug, meter.slug AS meter
FROM subscriptions.subscriptions AS other
JOIN catalog.rate_cards AS taken ON taken.plan_version_id = other.plan_version_id
JOIN catalog.rate_cards AS wanted ON wanted.meter_id = taken.meter_id
JOIN catalog.meters AS meter ON meter.id = taken.meter_id
WHERE other.tenant_id = %(tenant_id)s
    AND other.customer_id = %(customer_id)s
    AND wanted.plan_version_id = %(plan_version_id)s
    AND (other.ended_at IS NULL OR other.ended_at > %(anchor)s)
ORDER BY other.slug, meter.slug
LIMIT 1
