INSERT INTO identity.tenants AS tenant (id, slug, name, created_at)
VALUES (%(id)s, %(slug)s, %(name)s, %(now)s)
ON CONFLICT (slug) DO UPDATE SET name = excluded.name
RETURNING id, slug, name, (tenant.id = %(id)s) AS created
