WITH before AS MATERIALIZED
(
    SELECT name, metadata FROM identity.tenants WHERE slug = %(slug)s
)
INSERT INTO identity.tenants AS tenant (id, slug, name, created_at, metadata)
VALUES (%(id)s, %(slug)s, %(name)s, %(now)s, %(metadata)s)
ON CONFLICT (slug) DO UPDATE
SET name = excluded.name, metadata = tenant.metadata || excluded.metadata
RETURNING
    id, slug, name,
    (tenant.id = %(id)s) AS created,
    (SELECT (before.name, before.metadata) FROM before) IS DISTINCT FROM (tenant.name, tenant.metadata) AS changed
