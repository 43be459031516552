-- Records whose events Kafka may not have, the oldest first: those of an id, or all before an instant.
SELECT id, event_type, subject, occurred_at, data
FROM entitlements.usage_records
WHERE tenant_id = %(tenant_id)s AND sent_at IS NULL
    AND (id = %(id)s OR (%(id)s::uuid IS NULL AND created_at <= %(before)s))
ORDER BY id
LIMIT %(limit)s
