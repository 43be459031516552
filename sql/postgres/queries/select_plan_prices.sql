-- The prices that lines of plan versions have beside those of their rate cards: in other currencies
-- (phase null), and in phases.
SELECT
    card.plan_version_id, card.key, phase.key AS phase, price.id AS price_id,
    price.version AS price_version, price.content_hash, price.model, price.parameters,
    price.adjustments, price.currency, price.rounding
FROM catalog.rate_cards AS card
JOIN catalog.rate_card_prices AS other ON other.rate_card_id = card.id
JOIN catalog.prices AS price ON price.id = other.price_id
LEFT JOIN catalog.plan_phases AS phase ON phase.id = other.phase_id
WHERE card.tenant_id = %(tenant_id)s AND card.plan_version_id = ANY(%(plan_version_ids)s)
ORDER BY card.plan_version_id, phase.position NULLS FIRST, card.position, price.currency
