SELECT EXISTS (
    SELECT FROM identity.api_keys
    WHERE tenant_id = %(tenant_id)s AND revoked_at IS NULL AND expires_at IS NULL
) AS has_api_key
