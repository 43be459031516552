UPDATE catalog.meters
SET archived_at = coalesce(archived_at, %(at)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id
