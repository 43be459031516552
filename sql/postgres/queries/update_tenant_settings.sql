UPDATE identity.tenants
SET settings = %(settings)s, settings_revision = settings_revision + 1
WHERE id = %(tenant_id)s
