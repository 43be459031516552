SELECT id, tenant_id, slug, name, definition, unit, catalog_version, archived_at
FROM catalog.meters
ORDER BY catalog_version
