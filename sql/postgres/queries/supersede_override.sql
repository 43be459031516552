-- It is known no longer.
UPDATE entitlements.overrides
SET recorded_to = %(recorded_at)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND recorded_to = 'infinity'
