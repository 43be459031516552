-- The lines of plan versions with their prices and meters, in the order in which they are shown.
SELECT
    card.plan_version_id,
    version.number AS plan_version,
    plan.id AS plan_id,
    plan.name AS plan_name,
    plan.slug AS plan,
    card.key,
    card.name,
    card.cadence,
    card.every,
    card.timing,
    card.quantity,
    price.id AS price_id,
    price.version AS price_version,
    price.content_hash,
    price.model,
    price.parameters,
    price.adjustments,
    price.currency,
    price.rounding,
    card.meter_id,
    meter.slug AS meter_slug,
    meter.name AS meter_name,
    meter.definition,
    meter.unit,
    meter.catalog_version,
    meter.archived_at
FROM catalog.rate_cards AS card
JOIN catalog.plan_versions AS version ON version.id = card.plan_version_id
JOIN catalog.pricing_plans AS plan ON plan.id = version.plan_id
JOIN catalog.prices AS price ON price.id = card.price_id
LEFT JOIN catalog.meters AS meter ON meter.id = card.meter_id
WHERE card.tenant_id = %(tenant_id)s AND card.plan_version_id = ANY(%(plan_version_ids)s)
ORDER BY card.plan_version_id, card.position
