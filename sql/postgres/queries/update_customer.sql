UPDATE subscriptions.customers
SET name = %(name)s, billing_info = %(billing_info)s, time_zone = %(time_zone)s,
    valid_from = %(now)s, recorded_from = %(now)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
