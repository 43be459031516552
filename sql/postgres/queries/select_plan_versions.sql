SELECT
    version.id, plan.slug AS plan, version.number, version.currency, version.content_hash, version.valid_from,
    version.archived_at
FROM catalog.plan_versions AS version
JOIN catalog.pricing_plans AS plan ON plan.id = version.plan_id
WHERE version.tenant_id = %(tenant_id)s AND version.id = ANY (%(plan_version_ids)s)
