SELECT id, slug, name FROM identity.tenants WHERE slug = %(slug)s OR id = %(id)s::uuid
