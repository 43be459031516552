INSERT INTO identity.sandboxes (tenant_id, started_at, clock_at) VALUES (%(tenant_id)s, %(at)s, %(at)s)
