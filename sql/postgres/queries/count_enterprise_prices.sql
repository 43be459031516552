-- How many prices of its own each line of a customer has had.
SELECT line_key, count(DISTINCT price_id) AS prices
FROM subscriptions.enterprise_pricing
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
GROUP BY line_key
