-- As known at an instant; null: as known now.
SELECT id, subject, valid_from, nullif(valid_to, 'infinity') AS valid_to
FROM subscriptions.subjects
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND id > %(after)s
  AND CASE
      WHEN %(known_at)s::timestamptz IS NULL THEN recorded_to = 'infinity'
      ELSE recorded_from <= %(known_at)s AND %(known_at)s < recorded_to
  END
ORDER BY id
LIMIT %(limit)s
