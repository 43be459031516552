SELECT settings, settings_revision FROM identity.tenants WHERE id = %(tenant_id)s
