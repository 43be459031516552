INSERT INTO identity.api_keys (
    id, tenant_id, name, prefix, key_hash, scopes, created_at,
    events_per_second, events_burst, bytes_per_second, bytes_burst
)
SELECT
    %(id)s, tenant.id, %(name)s, %(prefix)s, %(key_hash)s, %(scopes)s, %(created_at)s,
    %(events_per_second)s, %(events_burst)s, %(bytes_per_second)s, %(bytes_burst)s
FROM identity.tenants AS tenant
WHERE tenant.id = %(tenant_id)s
RETURNING id
