INSERT INTO invoicing.payer_links
(
    id, tenant_id, side, customer_id, other_tenant_id, other_customer_id, currency, offered_at, accepted_at
)
VALUES
(
    %(id)s, %(tenant_id)s, %(side)s, %(customer_id)s, %(other_tenant_id)s, %(other_customer_id)s,
    %(currency)s, %(offered_at)s, %(accepted_at)s
)
