SELECT fingerprint, answer
FROM identity.idempotency_keys
WHERE tenant_id = %(tenant_id)s AND key = %(key)s
