-- Who is closed: one tenant by slug or id, or all.
SELECT id, slug, name, metadata
FROM identity.tenants
WHERE (%(tenant)s::text IS NULL OR slug = %(tenant)s OR id::text = %(tenant)s)
ORDER BY id
