SELECT id, slug, time_zone, billing_cycle, anchor_at, period_start, ended_at, opening
FROM subscriptions.subscriptions
WHERE id = ANY(%(ids)b)
ORDER BY id
FOR NO KEY UPDATE
