-- A plan version that is named by its plan and number (the one that is sold, where none is given), or
-- by its id.
SELECT version.id, version.plan_id, plan.slug AS plan, plan.kind, version.number, version.currency,
    version.archived_at,
    array(
        SELECT card.key FROM catalog.rate_cards AS card
        WHERE card.plan_version_id = version.id AND card.quantity IS NOT NULL
    ) AS agreed,
    array(
        SELECT card.key FROM catalog.rate_cards AS card WHERE card.plan_version_id = version.id
    ) AS keys,
    array(
        SELECT meter.slug FROM catalog.rate_cards AS card
        JOIN catalog.meters AS meter ON meter.id = card.meter_id
        WHERE card.plan_version_id = version.id
    ) AS meters,
    array(
        SELECT DISTINCT card.cadence FROM catalog.rate_cards AS card WHERE card.plan_version_id = version.id
    ) AS cycles,
    array(
        SELECT DISTINCT other.currency FROM catalog.rate_cards AS card
        JOIN catalog.rate_card_prices AS other ON other.rate_card_id = card.id
        WHERE card.plan_version_id = version.id ORDER BY other.currency
    ) AS currencies,
    array(
        SELECT jsonb_build_array(phase.key, phase.lasts, phase.trial) FROM catalog.plan_phases AS phase
        WHERE phase.plan_version_id = version.id ORDER BY phase.position
    ) AS phases,
    -- How often lines are billed that are for subscriptions of any cycle, if that is said.
    array(
        SELECT DISTINCT card.every FROM catalog.rate_cards AS card
        WHERE card.plan_version_id = version.id AND card.cadence IS NULL AND card.every IS NOT NULL
    ) AS every
FROM catalog.plan_versions AS version
JOIN catalog.pricing_plans AS plan ON plan.id = version.plan_id
WHERE version.tenant_id = %(tenant_id)s
    AND (%(id)s::uuid IS NULL OR version.id = %(id)s)
    AND (%(slug)s::text IS NULL OR plan.slug = %(slug)s)
    AND (%(number)s::integer IS NULL OR version.number = %(number)s)
ORDER BY version.number DESC
LIMIT 1
