-- Prices of customers' own that are known now, in order of time: of customers, or of contracts.
SELECT
    own.contract_id, contract.slug AS contract, contract.subscription_id, own.customer_id, own.plan_id,
    plan.slug AS plan, own.line_key, own.valid_from, nullif(own.valid_to, 'infinity') AS valid_to,
    price.id AS price_id, price.version AS price_version, price.content_hash, price.model,
    price.parameters, price.adjustments, price.currency, price.rounding
FROM subscriptions.enterprise_pricing AS own
JOIN subscriptions.contracts AS contract ON contract.id = own.contract_id
JOIN catalog.prices AS price ON price.id = own.price_id
LEFT JOIN catalog.pricing_plans AS plan ON plan.id = own.plan_id
WHERE own.tenant_id = %(tenant_id)s
    AND own.recorded_to = 'infinity'
    AND (%(customer_ids)s::uuid[] IS NULL OR own.customer_id = ANY(%(customer_ids)s))
    AND (%(contract_ids)s::uuid[] IS NULL OR own.contract_id = ANY(%(contract_ids)s))
ORDER BY own.customer_id, own.valid_from, own.line_key, own.id
