-- The meters that versions of plans price, sold or not, and one of those plans.
SELECT meter.slug AS meter, min(plan.slug) AS plan
FROM catalog.rate_cards AS card
JOIN catalog.meters AS meter ON meter.id = card.meter_id
JOIN catalog.plan_versions AS version ON version.id = card.plan_version_id
JOIN catalog.pricing_plans AS plan ON plan.id = version.plan_id
WHERE card.tenant_id = %(tenant_id)s
GROUP BY meter.slug
