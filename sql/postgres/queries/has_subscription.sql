SELECT EXISTS (
    SELECT FROM subscriptions.subscriptions
    WHERE tenant_id = %(tenant_id)s AND customer_id = %(id)s
) AS found
