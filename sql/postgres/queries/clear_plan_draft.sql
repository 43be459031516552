UPDATE catalog.plan_drafts
SET document = NULL, revision = revision + 1, updated_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND plan_id = %(plan_id)s AND document IS NOT NULL
