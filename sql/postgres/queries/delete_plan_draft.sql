DELETE FROM catalog.plan_drafts WHERE tenant_id = %(tenant_id)s AND plan_id = %(plan_id)s
