INSERT INTO identity.tenants AS tenant (id, slug, name, kind, created_at, metadata)
VALUES (%(id)s, %(slug)s, %(name)s, %(kind)s, %(now)s, %(metadata)s)
ON CONFLICT (slug) DO UPDATE
SET name = excluded.name, metadata = tenant.metadata || excluded.metadata
RETURNING id, slug, name, kind, metadata
