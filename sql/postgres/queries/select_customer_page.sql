-- Null leaves a filter out.
SELECT
    id, tenant_id, slug, name, user_id, time_zone, currency, billing_info, parent_id, payer, invoices,
    metadata, revision, deleted_at
FROM subscriptions.customers
WHERE tenant_id = %(tenant_id)s
  AND id > %(after)s
  AND (%(deleted)s::boolean IS NULL OR (deleted_at IS NOT NULL) = %(deleted)s)
  AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s))
  AND (%(parent_id)s::uuid IS NULL OR parent_id = %(parent_id)s)
  AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
ORDER BY id
LIMIT %(limit)s
