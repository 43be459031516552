UPDATE invoicing.billing_runs
SET finished_at = %(finished_at)s
WHERE id = %(id)s AND tenant_id = %(tenant_id)s AND finished_at IS NULL
