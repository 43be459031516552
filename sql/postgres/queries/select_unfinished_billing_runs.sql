SELECT id, as_of, cut
FROM invoicing.billing_runs
WHERE tenant_id = %(tenant_id)s AND finished_at IS NULL
ORDER BY as_of, id
