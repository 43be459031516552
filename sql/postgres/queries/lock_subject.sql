-- Held until the transaction ends: one subject's links change once at a time. Subjects share 256 locks
-- in a tenant: the server has room for few thousands, and a file may link many subjects at once.
SELECT pg_advisory_xact_lock(hashtext(%(tenant_id)s::text), hashtext(%(subject)s) & 255)
