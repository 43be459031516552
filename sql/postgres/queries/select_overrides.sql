-- What is known of a customer's overrides, by feature and time.
SELECT
    override.id, feature.slug AS feature, override.given, override.limit_quantity AS "limit",
    override.hard, override.reset, override.value, override.valid_from AS start,
    nullif(override.valid_to, 'infinity') AS "end", override.recorded_from, override.metadata
FROM entitlements.overrides AS override
JOIN catalog.features AS feature ON feature.id = override.feature_id
WHERE override.tenant_id = %(tenant_id)s AND override.customer_id = %(customer_id)s
    AND override.recorded_to = 'infinity'
ORDER BY feature.slug, override.valid_from
