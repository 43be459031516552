-- Contracts by slug; infinity is no instant to psycopg.
SELECT
    contract.id, contract.tenant_id, contract.slug, contract.name, contract.customer_id,
    customer.slug AS customer, contract.subscription_id, subscription.slug AS subscription,
    contract.expires, contract.valid_from, nullif(contract.valid_to, 'infinity') AS valid_to,
    contract.ended_at, contract.metadata, minimum.parameters ->> 'amount' AS minimum,
    minimum.currency AS minimum_currency
FROM subscriptions.contracts AS contract
JOIN subscriptions.customers AS customer ON customer.id = contract.customer_id
LEFT JOIN subscriptions.subscriptions AS subscription ON subscription.id = contract.subscription_id
LEFT JOIN catalog.prices AS minimum ON minimum.id = contract.minimum_price_id
WHERE contract.tenant_id = %(tenant_id)s
    AND (%(id)s::uuid IS NULL OR contract.id = %(id)s)
    AND (%(slug)s::text IS NULL OR contract.slug = %(slug)s)
    AND (%(customer_id)s::uuid IS NULL OR contract.customer_id = %(customer_id)s)
    AND contract.slug > %(after)s
ORDER BY contract.slug
LIMIT %(limit)s
