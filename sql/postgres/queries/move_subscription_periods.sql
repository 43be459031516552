UPDATE subscriptions.subscriptions AS subscription
SET billed_until = moved.period_start, period_start = moved.period_start, period_end = moved.period_end
FROM unnest(%(ids)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
    AS moved (id, period_start, period_end)
WHERE subscription.id = moved.id
