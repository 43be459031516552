-- Its one outcome, unless it has one, or is over.
UPDATE entitlements.holds
SET (outcome, closed_at, record_id) = (%(outcome)s, %(at)s, %(record_id)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND outcome IS NULL AND expires_at > %(at)s
RETURNING
    id, customer_id, feature_id, usage_type AS feature, quantity, held_at, expires_at, outcome,
    closed_at, record_id, metadata
