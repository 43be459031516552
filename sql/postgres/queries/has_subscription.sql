-- Whether a customer bought something, or has a contract: then its currency stays.
SELECT EXISTS (
    SELECT FROM subscriptions.subscriptions
    WHERE tenant_id = %(tenant_id)s AND customer_id = %(id)s
    UNION ALL
    SELECT FROM subscriptions.contracts WHERE tenant_id = %(tenant_id)s AND customer_id = %(id)s
) AS found
