-- How many levels a customer and those below it take.
WITH RECURSIVE tree AS
(
    SELECT id, 1 AS level
    FROM subscriptions.customers WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    UNION ALL
    SELECT below.id, tree.level + 1
    FROM tree
    JOIN subscriptions.customers AS below
        ON below.tenant_id = %(tenant_id)s AND below.parent_id = tree.id AND below.deleted_at IS NULL
)
SELECT max(level) AS levels FROM tree
