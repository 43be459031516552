-- Which of these lines some plan has, or the one that is named.
SELECT DISTINCT card.key
FROM catalog.rate_cards AS card
JOIN catalog.plan_versions AS version ON version.id = card.plan_version_id
WHERE card.tenant_id = %(tenant_id)s
    AND card.key = ANY(%(keys)s)
    AND (%(plan_id)s::uuid IS NULL OR version.plan_id = %(plan_id)s)
