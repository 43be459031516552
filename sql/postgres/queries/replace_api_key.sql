UPDATE identity.api_keys
SET expires_at = %(expires_at)s,
    replaced_by = %(replaced_by)s,
    change_count = change_count + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
