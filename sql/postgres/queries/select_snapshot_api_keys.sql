SELECT key_hash, tenant_id, id AS key_id, scopes
FROM identity.api_keys
WHERE revoked_at IS NULL
ORDER BY key_hash
