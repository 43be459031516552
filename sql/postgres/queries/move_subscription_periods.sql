UPDATE subscriptions.subscriptions AS subscription
SET billed_until = moved.period_start, period_start = moved.period_start, period_end = moved.period_end
FROM unnest(%(ids)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
    AS moved (id, period_start, period_end)
-- The list once more: by it an index is used, however small a part of the table a block is.
WHERE subscription.id = moved.id AND subscription.id = ANY(%(ids)s)
