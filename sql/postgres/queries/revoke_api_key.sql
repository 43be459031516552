UPDATE identity.api_keys
SET revoked_at = coalesce(revoked_at, %(now)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id
