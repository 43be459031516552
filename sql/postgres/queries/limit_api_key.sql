UPDATE identity.api_keys
SET events_per_second = %(events_per_second)s,
    events_burst = %(events_burst)s,
    bytes_per_second = %(bytes_per_second)s,
    bytes_burst = %(bytes_burst)s,
    change_count = change_count + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id
