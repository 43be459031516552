-- Those of a customer's feature that are over.
UPDATE entitlements.holds
SET (outcome, closed_at) = ('expired', expires_at)
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND feature_id = %(feature_id)s
    AND outcome IS NULL AND expires_at <= %(at)s
RETURNING
    id, customer_id, feature_id, usage_type AS feature, quantity, held_at, expires_at, outcome,
    closed_at, record_id, metadata
