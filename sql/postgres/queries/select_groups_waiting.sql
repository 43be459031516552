-- What other tenants handed over by an instant and no invoice has yet.
SELECT *
FROM invoicing.received_groups
WHERE tenant_id = %(tenant_id)s AND invoice_id IS NULL AND issued_at <= %(as_of)s
ORDER BY member_tenant_id, draft_id
