-- Their events are among those up to the counter's cut.
UPDATE entitlements.usage_records
SET seen_at = %(as_of)s
WHERE tenant_id = %(tenant_id)s AND id = ANY (%(ids)s) AND seen_at IS NULL
