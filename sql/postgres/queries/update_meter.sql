UPDATE catalog.meters
SET name = coalesce(%(name)s, name),
    unit = coalesce(%(unit)s, unit),
    metadata = coalesce(%(metadata)s, metadata),
    label_version = label_version + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id
