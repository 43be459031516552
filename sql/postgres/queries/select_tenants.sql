SELECT id, slug, name, kind FROM identity.tenants ORDER BY slug
