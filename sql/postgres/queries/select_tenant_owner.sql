SELECT id, owner FROM identity.tenants WHERE id = %(id)s
