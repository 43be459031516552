-- Held while a run is numbered and finished: no block of drafts is then being written.
SELECT id FROM invoicing.billing_runs
WHERE id = %(id)s AND tenant_id = %(tenant_id)s AND finished_at IS NULL
FOR UPDATE
