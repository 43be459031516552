UPDATE identity.tenants
SET events_per_second = %(events_per_second)s,
    events_burst = %(events_burst)s,
    bytes_per_second = %(bytes_per_second)s,
    bytes_burst = %(bytes_burst)s,
    change_count = change_count + 1
WHERE id = %(tenant_id)s
RETURNING id
