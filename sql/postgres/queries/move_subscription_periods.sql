-- Who has only its opening invoiced stays where it is.
UPDATE subscriptions.subscriptions AS subscription
SET opened_at = CASE WHEN subscription.opening THEN subscription.period_start ELSE subscription.opened_at END,
    opening = false,
    billed_until = CASE WHEN moved.closed THEN moved.period_start ELSE subscription.billed_until END,
    period_start = moved.period_start, period_end = moved.period_end
FROM unnest(%(ids)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(closed)s::boolean[])
    AS moved (id, period_start, period_end, closed)
-- The list once more: by it an index is used, however small a part of the table a block is.
WHERE subscription.id = moved.id AND subscription.id = ANY(%(ids)s)
