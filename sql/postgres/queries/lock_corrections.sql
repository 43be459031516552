-- One operation at a time begins, or begins to be reverted, for a tenant; until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('corrections ' || %(tenant_id)s::text, 0))
