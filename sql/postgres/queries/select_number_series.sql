SELECT id
FROM invoicing.number_series
WHERE tenant_id = %(tenant_id)s AND prefix = %(prefix)s
