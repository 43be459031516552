-- How many holds of a customer's feature are open; `most` where there are more.
SELECT count(*) AS many
FROM (
    SELECT
    FROM entitlements.holds
    WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
        AND feature_id = %(feature_id)s AND outcome IS NULL
    LIMIT %(most)s
) AS listed
