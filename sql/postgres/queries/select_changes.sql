SELECT
    id, position, subject, version, resource_id, payload, actor, correlation_id, causation_id, created_at
FROM outbox.billing_events
WHERE tenant_id = %(tenant_id)s
  AND position > %(after)s
  AND position <= %(last)s
  AND (%(subjects)s::text[] IS NULL OR subject = ANY (%(subjects)s))
ORDER BY position
LIMIT %(limit)s
