-- The first position that can still be read; one after the last where none can.
SELECT coalesce(
    (
        SELECT position FROM outbox.billing_events
        WHERE tenant_id = %(tenant_id)s AND position IS NOT NULL ORDER BY position LIMIT 1
    ),
    (SELECT last_position + 1 FROM outbox.positions WHERE tenant_id = %(tenant_id)s),
    1
) AS first_position
