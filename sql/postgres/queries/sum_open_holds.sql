-- What is held of a customer's feature at an instant; of whatever window, as it may be used in this one.
SELECT coalesce(sum(quantity), 0) AS quantity
FROM entitlements.holds
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND feature_id = %(feature_id)s
    AND outcome IS NULL AND expires_at > %(at)s
