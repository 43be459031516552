-- Some of those of a tenant that are closed, and were made before: a batch, so that nobody waits long.
DELETE FROM entitlements.holds
WHERE tenant_id = %(tenant_id)s AND id IN (
    SELECT id FROM entitlements.holds
    WHERE tenant_id = %(tenant_id)s AND outcome IS NOT NULL AND created_at < %(before)s
    ORDER BY created_at
    LIMIT %(limit)s
)
