-- The price that each line of a plan had last.
SELECT DISTINCT ON (card.key) card.key, price.id AS price_id, price.content_hash, price.version
FROM catalog.plan_versions AS version
JOIN catalog.rate_cards AS card ON card.plan_version_id = version.id
JOIN catalog.prices AS price ON price.id = card.price_id
WHERE version.tenant_id = %(tenant_id)s AND version.plan_id = %(plan_id)s
ORDER BY card.key, version.number DESC
