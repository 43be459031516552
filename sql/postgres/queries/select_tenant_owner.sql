SELECT id, owner, kind FROM identity.tenants WHERE id = %(id)s
