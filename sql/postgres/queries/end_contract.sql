-- Each knowledge has an instant of its own, also where a clock stands still.
UPDATE subscriptions.contracts
SET ended_at = %(at)s, recorded_from = greatest(%(now)s, recorded_from + interval '1 microsecond')
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING recorded_from
