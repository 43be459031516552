SELECT id, kind, name, prices, limits, archived_at
FROM catalog.pricing_plans
WHERE tenant_id = %(tenant_id)s AND slug = %(slug)s
FOR NO KEY UPDATE
