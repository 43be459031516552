-- What another tenant handed over becomes a group of an invoice.
UPDATE invoicing.received_groups
SET invoice_id = %(invoice_id)s
WHERE tenant_id = %(tenant_id)s AND member_tenant_id = %(member_tenant_id)s AND draft_id = %(draft_id)s
