-- Each knowledge has an instant of its own, also where a clock stands still.
UPDATE subscriptions.payment_methods
SET is_default = %(is_default)s,
    valid_from = greatest(%(now)s, valid_from),
    recorded_from = greatest(%(now)s, recorded_from + interval '1 microsecond')
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
