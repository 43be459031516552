-- Once, however often it is brought.
INSERT INTO invoicing.received_groups
(
    tenant_id, member_tenant_id, draft_id, customer_id, currency, total_minor, document, issued_at,
    arrived_at
)
VALUES
(
    %(tenant_id)s, %(member_tenant_id)s, %(draft_id)s, %(customer_id)s, %(currency)s, %(total_minor)s,
    %(document)s, %(issued_at)s, %(arrived_at)s
)
ON CONFLICT (tenant_id, member_tenant_id, draft_id) DO NOTHING
