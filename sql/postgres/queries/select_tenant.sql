SELECT id, slug, name, kind FROM identity.tenants WHERE slug = %(slug)s OR id = %(id)s::uuid
