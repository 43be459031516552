INSERT INTO identity.idempotency_keys (tenant_id, key, fingerprint, answer, created_at)
VALUES (%(tenant_id)s, %(key)s, %(fingerprint)s, %(answer)s, %(now)s)
