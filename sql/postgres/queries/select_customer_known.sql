-- What was known at one instant about another.
SELECT
    id, tenant_id, slug, name, user_id, time_zone, currency, billing_info, parent_id, payer, invoices,
    metadata, revision, deleted_at
FROM
(
    SELECT * FROM subscriptions.customers WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    UNION ALL
    SELECT * FROM subscriptions.customers_history WHERE tenant_id = %(tenant_id)s AND id = %(id)s
) AS facts
WHERE recorded_from <= %(known_at)s AND %(known_at)s < recorded_to
  AND valid_from <= %(at)s AND %(at)s < valid_to
