SELECT id, slug, name FROM identity.tenants ORDER BY slug
