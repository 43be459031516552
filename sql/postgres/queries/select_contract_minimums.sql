-- What periods of customers' subscriptions come to at least, and when; in order of time.
SELECT
    contract.id AS contract_id, contract.slug AS contract, contract.name, contract.customer_id,
    contract.subscription_id, contract.valid_from,
    nullif(least(contract.valid_to, contract.ended_at), 'infinity') AS valid_to,
    price.id AS price_id, price.version AS price_version, price.content_hash, price.model,
    price.parameters, price.adjustments, price.currency, price.rounding
FROM subscriptions.contracts AS contract
JOIN catalog.prices AS price ON price.id = contract.minimum_price_id
WHERE contract.tenant_id = %(tenant_id)s
    AND contract.customer_id = ANY(%(customer_ids)s)
    AND contract.valid_from < least(contract.valid_to, contract.ended_at)
ORDER BY contract.customer_id, contract.valid_from, contract.id
