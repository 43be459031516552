SELECT
    key.key_hash, key.tenant_id, key.id AS key_id, key.scopes, key.expires_at,
    key.events_per_second, key.events_burst, key.bytes_per_second, key.bytes_burst,
    tenant.events_per_second AS tenant_events_per_second,
    tenant.events_burst AS tenant_events_burst,
    tenant.bytes_per_second AS tenant_bytes_per_second,
    tenant.bytes_burst AS tenant_bytes_burst
FROM identity.api_keys AS key
JOIN identity.tenants AS tenant ON tenant.id = key.tenant_id
WHERE key.revoked_at IS NULL
ORDER BY key.key_hash
