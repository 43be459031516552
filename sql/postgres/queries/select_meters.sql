SELECT
    id, tenant_id, slug, name, event_type, aggregation, value_path, catalog_version,
    archived_at IS NOT NULL AS archived
FROM catalog.meters
WHERE tenant_id = %(tenant_id)s
ORDER BY catalog_version
