SELECT
    id, tenant_id, slug, name, definition, unit, catalog_version, archived_at,
    metadata, recorded_from AS created_at
FROM catalog.meters
WHERE tenant_id = %(tenant_id)s
    AND catalog_version > %(after)s
    AND (%(archived)s::boolean IS NULL OR (archived_at IS NOT NULL) = %(archived)s)
ORDER BY catalog_version
LIMIT %(limit)s
