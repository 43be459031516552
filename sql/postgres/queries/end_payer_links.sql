-- Nothing is handed over from here on; what was, arrives.
UPDATE invoicing.payer_links
SET ended_at = greatest(%(ended_at)s, offered_at)
WHERE tenant_id = %(tenant_id)s
  AND side = %(side)s
  AND ended_at IS NULL
  AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
  AND (%(other_tenant_id)s::uuid IS NULL OR other_tenant_id = %(other_tenant_id)s)
  AND (%(other_customer_id)s::uuid IS NULL OR other_customer_id = %(other_customer_id)s)
RETURNING customer_id
