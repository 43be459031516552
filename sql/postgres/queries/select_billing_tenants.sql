-- Who is closed: one tenant by slug or id, or all for production; sandboxes are closed as their time goes on.
SELECT id, slug, name, kind, metadata, settings
FROM identity.tenants
WHERE CASE WHEN %(tenant)s::text IS NULL THEN kind = 'production' ELSE slug = %(tenant)s OR id::text = %(tenant)s END
ORDER BY id
