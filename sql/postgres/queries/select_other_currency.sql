-- A customer that does not pay in the currency of the one that pays for it: of a customer, its parent
-- if that pays, or a child that it pays for.
SELECT other.slug, other.currency, other.id = mine.parent_id AS above
FROM subscriptions.customers AS mine
JOIN subscriptions.customers AS other
    ON other.tenant_id = mine.tenant_id
    AND (
        (mine.payer = 'parent' AND other.id = mine.parent_id)
        OR (other.payer = 'parent' AND other.parent_id = mine.id)
    )
WHERE mine.tenant_id = %(tenant_id)s
    AND mine.id = %(id)s
    AND other.deleted_at IS NULL
    AND other.currency <> mine.currency
ORDER BY other.slug
LIMIT 1
