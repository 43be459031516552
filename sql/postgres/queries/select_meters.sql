SELECT id, tenant_id, slug, name, definition, unit, catalog_version, archived_at
FROM catalog.meters
WHERE tenant_id = %(tenant_id)s
ORDER BY catalog_version
