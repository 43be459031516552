-- The prices that the lines of a plan ever had: of which line, and whether its newest version has it.
WITH versions AS
(
    SELECT id, number FROM catalog.plan_versions
    WHERE tenant_id = %(tenant_id)s AND plan_id = %(plan_id)s
),
had AS
(
    SELECT card.key, versions.number, card.price_id
    FROM versions
    JOIN catalog.rate_cards AS card ON card.plan_version_id = versions.id
    UNION ALL
    SELECT card.key, versions.number, other.price_id
    FROM versions
    JOIN catalog.rate_cards AS card ON card.plan_version_id = versions.id
    JOIN catalog.rate_card_prices AS other ON other.rate_card_id = card.id
)
SELECT
    had.key, price.id AS price_id, price.content_hash, price.version,
    had.number = max(had.number) OVER (PARTITION BY had.key) AS newest
FROM had
JOIN catalog.prices AS price ON price.id = had.price_id
ORDER BY had.key, price.version
