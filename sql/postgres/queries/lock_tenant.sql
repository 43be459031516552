SELECT id, slug, name, metadata FROM identity.tenants WHERE slug = %(slug)s FOR NO KEY UPDATE
