SELECT tenancy.act(%(tenant_id)s, %(user_id)s::uuid, %(actor)s, %(correlation_id)s, %(causation_id)s)
