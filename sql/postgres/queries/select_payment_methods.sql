SELECT id, provider, reference, is_default
FROM subscriptions.payment_methods
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND removed_at IS NULL
ORDER BY id
