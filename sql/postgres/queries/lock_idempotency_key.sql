-- Held until the transaction ends; false at once while another transaction holds it.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(tenant_id)s::text || ' ' || %(key)s, 0)) AS locked
