SELECT id, name, prices, limits
FROM catalog.pricing_plans
WHERE tenant_id = %(tenant_id)s AND slug = %(slug)s
FOR UPDATE
