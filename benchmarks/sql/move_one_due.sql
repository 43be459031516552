UPDATE subscriptions.subscriptions
SET billed_until = %(until)s, period_start = %(until)s, period_end = %(until)s::timestamptz + interval '1 month'
WHERE id = %(id)s
