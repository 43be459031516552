SELECT id
FROM catalog.plan_versions
WHERE tenant_id = %(tenant_id)s AND plan_id = %(plan_id)s
