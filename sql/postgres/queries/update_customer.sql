-- Each knowledge has an instant of its own, also where a clock stands still.
UPDATE subscriptions.customers
SET name = %(name)s, user_id = %(user_id)s, billing_info = %(billing_info)s,
    time_zone = %(time_zone)s, currency = %(currency)s, parent_id = %(parent_id)s, payer = %(payer)s,
    invoices = %(invoices)s, metadata = %(metadata)s, deleted_at = %(deleted_at)s, revision = revision + 1,
    valid_from = greatest(%(now)s, valid_from),
    recorded_from = greatest(%(now)s, recorded_from + interval '1 microsecond')
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
