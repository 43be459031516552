SELECT identity.move_clock(%(tenant_id)s, %(to)s)
