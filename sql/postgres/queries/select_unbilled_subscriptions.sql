-- What a customer still has or owes: not ended, or ended with a period that no invoice covers yet.
SELECT slug, status FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND customer_id = %(id)s
  AND (
      status NOT IN ('CANCELED', 'EXPIRED')
      OR ended_at IS NULL OR period_start < ended_at
  )
ORDER BY id
LIMIT 20
