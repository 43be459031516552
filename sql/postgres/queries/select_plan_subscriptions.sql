-- Live subscriptions of a plan, by id.
SELECT id, slug, customer_id, revision
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s
    AND plan_id = %(plan_id)s
    AND status NOT IN ('CANCELED', 'EXPIRED')
    AND id > %(after)s
ORDER BY id
LIMIT %(limit)s
