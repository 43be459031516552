SELECT identity.clock_at(%(tenant_id)s) AS at
