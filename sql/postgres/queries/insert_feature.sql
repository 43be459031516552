INSERT INTO catalog.features
    (id, tenant_id, slug, name, kind, meter_id, valid_from, recorded_from, metadata)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(name)s, %(kind)s, %(meter_id)s, %(now)s, %(now)s, %(metadata)s
)
ON CONFLICT (tenant_id, slug) DO NOTHING
