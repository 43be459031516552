INSERT INTO subscriptions.customers
(
    id, tenant_id, slug, name, user_id, billing_info, time_zone, currency, parent_id, payer, invoices,
    metadata, valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(slug)s, %(name)s, %(user_id)s, %(billing_info)s, %(time_zone)s,
    %(currency)s, %(parent_id)s, %(payer)s, %(invoices)s, %(metadata)s, %(now)s, %(now)s
)
ON CONFLICT (tenant_id, slug) WHERE deleted_at IS NULL DO NOTHING
RETURNING id
