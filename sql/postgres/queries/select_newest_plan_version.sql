SELECT id, plan_id, number, currency, content_hash, archived_at
FROM catalog.plan_versions
WHERE tenant_id = %(tenant_id)s AND plan_id = %(plan_id)s
ORDER BY number DESC
LIMIT 1
