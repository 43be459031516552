-- All of a tenant that are over; those that somebody else closes right now are left to them.
UPDATE entitlements.holds
SET (outcome, closed_at) = ('expired', expires_at)
WHERE tenant_id = %(tenant_id)s AND id IN (
    SELECT id FROM entitlements.holds
    WHERE tenant_id = %(tenant_id)s AND outcome IS NULL AND expires_at <= %(at)s
    ORDER BY id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING
    id, customer_id, feature_id, usage_type AS feature, quantity, held_at, expires_at, outcome,
    closed_at, record_id, metadata
