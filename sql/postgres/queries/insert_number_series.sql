INSERT INTO invoicing.number_series (id, tenant_id, prefix)
VALUES (%(id)s, %(tenant_id)s, %(prefix)s)
ON CONFLICT (tenant_id, prefix) DO NOTHING
