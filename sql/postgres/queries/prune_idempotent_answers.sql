-- Some of the answers that are older: a batch, so that nobody waits long.
DELETE FROM identity.idempotency_keys
WHERE (tenant_id, key) IN (
    SELECT tenant_id, key FROM identity.idempotency_keys
    WHERE created_at < %(before)s
    ORDER BY created_at
    LIMIT %(limit)s
)
