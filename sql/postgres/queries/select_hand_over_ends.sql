-- Whose hand-overs concern this tenant: its own, and those of whom it invoices for.
SELECT DISTINCT CASE side WHEN 'gives' THEN tenant_id ELSE other_tenant_id END AS member_tenant_id, side
FROM invoicing.payer_links
WHERE tenant_id = %(tenant_id)s
ORDER BY 1
