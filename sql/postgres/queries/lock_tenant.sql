SELECT id, slug, name, kind, metadata FROM identity.tenants WHERE slug = %(slug)s FOR NO KEY UPDATE
