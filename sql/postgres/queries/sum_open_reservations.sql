-- What is reserved of a customer's feature: within a period by records whose events were not seen, and
-- by holds without an outcome, of whatever period: they may be used in this one.
SELECT recorded.quantity + held.quantity AS quantity
FROM
    (
        SELECT coalesce(sum(quantity), 0) AS quantity
        FROM entitlements.usage_records
        WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
            AND feature_id = %(feature_id)s
            AND seen_at IS NULL AND occurred_at >= %(start)s AND occurred_at < %(end)s
    ) AS recorded,
    (
        SELECT coalesce(sum(quantity), 0) AS quantity
        FROM entitlements.holds
        WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
            AND feature_id = %(feature_id)s AND outcome IS NULL
    ) AS held
