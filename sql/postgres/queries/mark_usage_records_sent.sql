-- Kafka has their events.
UPDATE entitlements.usage_records
SET sent_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = ANY (%(ids)s) AND sent_at IS NULL
