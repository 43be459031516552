UPDATE subscriptions.subjects
SET recorded_to = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
