SELECT set_config('tollbook.tenant_id', '', false), set_config('tollbook.user_id', '', false)
