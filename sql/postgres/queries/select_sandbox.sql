SELECT tenant.slug, tenant.kind, sandbox.started_at, sandbox.clock_at
FROM identity.tenants AS tenant
LEFT JOIN identity.sandboxes AS sandbox ON sandbox.tenant_id = tenant.id
WHERE tenant.id = %(tenant_id)s
