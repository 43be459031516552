INSERT INTO subscriptions.enterprise_pricing
(
    id, tenant_id, contract_id, customer_id, plan_id, line_key, price_id, valid_from, valid_to,
    recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(contract_id)s, %(customer_id)s, %(plan_id)s, %(key)s, %(price_id)s,
    %(start)s, coalesce(%(end)s::timestamptz, 'infinity'), %(now)s
)
