INSERT INTO catalog.meters
(
    id, tenant_id, slug, name, event_type, aggregation, value_path, catalog_version,
    valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(name)s, %(event_type)s, %(aggregation)s, %(value_path)s,
    %(catalog_version)s, %(now)s, %(now)s
)
