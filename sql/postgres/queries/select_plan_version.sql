SELECT id, currency, content_hash, valid_from, archived_at
FROM catalog.plan_versions
WHERE tenant_id = %(tenant_id)s AND plan_id = %(plan_id)s AND number = %(number)s
