INSERT INTO subscriptions.payment_methods
    (id, tenant_id, customer_id, provider, reference, is_default, valid_from, recorded_from)
VALUES
(
    %(id)s, %(tenant_id)s, %(customer_id)s, %(provider)s, %(reference)s, false, %(now)s, %(now)s
)
