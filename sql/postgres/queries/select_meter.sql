SELECT
    id, tenant_id, slug, name, definition, unit, catalog_version, archived_at,
    metadata, recorded_from AS created_at
FROM catalog.meters
WHERE tenant_id = %(tenant_id)s AND slug = %(slug)s
