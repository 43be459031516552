INSERT INTO catalog.meters
(
    id, tenant_id, slug, name, event_types, definition, unit, catalog_version,
    valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(name)s, %(event_types)s, %(definition)s, %(unit)s,
    %(catalog_version)s, %(now)s, %(now)s
)
