SELECT count(*) AS live
FROM subscriptions.subscriptions
WHERE tenant_id = %(tenant_id)s AND status NOT IN ('CANCELED', 'EXPIRED')
