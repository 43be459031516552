SELECT
    feature.id, feature.tenant_id, feature.slug, feature.name, feature.kind, feature.meter_id,
    meter.slug AS meter, feature.archived_at, feature.metadata
FROM catalog.features AS feature
LEFT JOIN catalog.meters AS meter ON meter.id = feature.meter_id
WHERE feature.tenant_id = %(tenant_id)s AND feature.slug = %(slug)s
FOR NO KEY UPDATE OF feature
