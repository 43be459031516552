SELECT events_per_second, events_burst, bytes_per_second, bytes_burst
FROM identity.tenants
WHERE id = %(tenant_id)s
