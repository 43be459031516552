-- Before number_drafts, as a statement of its own: the next one then sees what the last holder of
-- the lock committed.
SELECT id FROM invoicing.number_series
WHERE tenant_id = %(tenant_id)s
ORDER BY id
FOR UPDATE
