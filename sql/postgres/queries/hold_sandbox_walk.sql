SELECT pg_try_advisory_xact_lock(hashtextextended('sandbox walk ' || %(tenant_id)s::uuid, 0)) AS held
