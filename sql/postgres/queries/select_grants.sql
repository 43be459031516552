-- What is known of a customer's grants, by feature, in the order in which they are used.
SELECT
    given.id, feature.slug AS feature, given.quantity, given.priority, given.valid_from AS start,
    given.valid_to AS "end", given.recorded_from, given.metadata
FROM entitlements.grants AS given
JOIN catalog.features AS feature ON feature.id = given.feature_id
WHERE given.tenant_id = %(tenant_id)s AND given.customer_id = %(customer_id)s
    AND given.recorded_to = 'infinity'
ORDER BY feature.slug, given.priority, given.valid_to, given.id
