-- Records of a customer's use of a feature whose events were not seen among those of the log yet.
SELECT id, event_key, event_type, subject, quantity, occurred_at
FROM entitlements.usage_records
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND feature_id = %(feature_id)s
    AND seen_at IS NULL
