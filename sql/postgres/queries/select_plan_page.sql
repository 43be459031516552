SELECT
    plan.id, plan.slug, plan.kind, plan.name, plan.description, plan.public, plan.prices, plan.limits, plan.metadata,
    plan.archived_at, version.number AS sold, draft.document AS draft,
    coalesce(draft.revision, 0) AS draft_revision
FROM catalog.pricing_plans AS plan
LEFT JOIN catalog.plan_versions AS version
    ON version.plan_id = plan.id AND version.tenant_id = plan.tenant_id AND version.archived_at IS NULL
LEFT JOIN catalog.plan_drafts AS draft ON draft.plan_id = plan.id AND draft.tenant_id = plan.tenant_id
WHERE plan.tenant_id = %(tenant_id)s
  AND (%(slug)s::text IS NULL OR plan.slug = %(slug)s)
  AND plan.slug > %(after)s
  AND (%(archived)s::boolean IS NULL OR (plan.archived_at IS NOT NULL) = %(archived)s)
  AND (%(public)s::boolean IS NULL OR plan.public = %(public)s)
ORDER BY plan.slug
LIMIT %(limit)s
