-- By its id, or by the prefix that stands in its text.
SELECT
    id, name, prefix, scopes, created_at, expires_at, revoked_at, replaced_by,
    events_per_second, events_burst, bytes_per_second, bytes_burst
FROM identity.api_keys
WHERE tenant_id = %(tenant_id)s AND (id = %(id)s::uuid OR prefix = %(prefix)s)
