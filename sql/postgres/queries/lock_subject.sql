-- Held until the transaction ends: one subject's links change once at a time.
SELECT pg_advisory_xact_lock(hashtextextended(%(tenant_id)s::text || ' ' || %(subject)s, 1))
