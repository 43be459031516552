INSERT INTO identity.api_keys (id, tenant_id, name, prefix, key_hash, scopes, created_at)
SELECT %(id)s, tenant.id, %(name)s, %(prefix)s, %(key_hash)s, %(scopes)s, %(created_at)s
FROM identity.tenants AS tenant
WHERE tenant.id = %(tenant_id)s
RETURNING id
