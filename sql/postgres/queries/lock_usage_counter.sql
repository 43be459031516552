-- The same; nobody else reserves of it until commit.
SELECT
    subscription_id, lower(period) AS start, upper(period) AS "end", cut, used,
    limit_quantity AS "limit", granted, room, hard, as_of
FROM entitlements.usage_counters
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND feature_id = %(feature_id)s
FOR UPDATE
