SELECT id FROM identity.tenants WHERE id = %(tenant_id)s FOR NO KEY UPDATE
