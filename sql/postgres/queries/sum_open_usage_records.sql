-- What is reserved within a period by records whose events were not seen.
SELECT coalesce(sum(quantity), 0) AS quantity
FROM entitlements.usage_records
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND feature_id = %(feature_id)s
    AND seen_at IS NULL AND occurred_at >= %(start)s AND occurred_at < %(end)s
