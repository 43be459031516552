-- The links of a customer, as known now, that hold at an instant or later.
SELECT id, tenant_id, customer_id, subject, valid_from, nullif(valid_to, 'infinity') AS valid_to
FROM subscriptions.subjects
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
  AND recorded_to = 'infinity' AND valid_to > %(at)s
ORDER BY subject, valid_from
