SELECT id, slug, archived_at
FROM catalog.features
WHERE tenant_id = %(tenant_id)s AND id = ANY (%(ids)s)
ORDER BY id
FOR SHARE
