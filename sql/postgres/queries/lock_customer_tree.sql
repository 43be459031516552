-- Held until the transaction ends: who is above whom changes once at a time in a tenant.
SELECT pg_advisory_xact_lock(hashtextextended('customer tree ' || %(tenant_id)s::text, 0))
