-- Held until the transaction ends: documents are brought into a tenant's catalog one at a time.
SELECT pg_advisory_xact_lock(hashtextextended('catalog ' || %(tenant_id)s::text, 0))
