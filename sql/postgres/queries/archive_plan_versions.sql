UPDATE catalog.plan_versions AS version
SET archived_at = %(now)s
FROM catalog.pricing_plans AS plan
WHERE version.tenant_id = %(tenant_id)s AND version.plan_id = %(plan_id)s
  AND version.archived_at IS NULL AND plan.id = version.plan_id
RETURNING version.id, version.number, plan.slug
