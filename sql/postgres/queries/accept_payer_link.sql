-- The other side takes what this one gives.
UPDATE invoicing.payer_links
SET accepted_at = %(accepted_at)s, other_customer_id = %(other_customer_id)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND ended_at IS NULL
