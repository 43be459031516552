UPDATE subscriptions.payment_methods
SET removed_at = %(now)s, reference = '', is_default = false,
    valid_from = greatest(%(now)s, valid_from),
    recorded_from = greatest(%(now)s, recorded_from + interval '1 microsecond')
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
