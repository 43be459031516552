-- The customers above one, itself first.
WITH RECURSIVE line AS
(
    SELECT id, parent_id, 1 AS level
    FROM subscriptions.customers WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    UNION ALL
    SELECT above.id, above.parent_id, line.level + 1
    FROM line
    JOIN subscriptions.customers AS above ON above.tenant_id = %(tenant_id)s AND above.id = line.parent_id
)
SELECT id FROM line ORDER BY level
