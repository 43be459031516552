-- Held by a block of drafts until its commit: a run is not finished while a block is being written.
SELECT id FROM invoicing.billing_runs
WHERE id = %(id)s AND tenant_id = %(tenant_id)s AND finished_at IS NULL
FOR SHARE
