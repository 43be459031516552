SELECT
    given.plan_version_id, feature.slug AS feature, feature.kind,
    trim_scale(given.limit_quantity)::text AS "limit", given.hard, given.reset, given.value
FROM catalog.plan_entitlements AS given
JOIN catalog.features AS feature ON feature.id = given.feature_id
WHERE given.tenant_id = %(tenant_id)s AND given.plan_version_id = ANY (%(plan_version_ids)s)
ORDER BY given.plan_version_id, feature.slug
