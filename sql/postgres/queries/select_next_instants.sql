-- What comes by itself behind an instant: the next step of a subscription, the next end of a period;
-- and whether periods that ended by then are still to be invoiced.
WITH billed AS NOT MATERIALIZED (
    SELECT period_end
    FROM subscriptions.subscriptions
    WHERE tenant_id = %(tenant_id)s
        AND (ended_at IS NULL OR period_start < ended_at)
        AND (status <> 'FREE' OR activation = 'start')
)
SELECT
    (
        SELECT min(next_step_at) FROM subscriptions.subscriptions
        WHERE tenant_id = %(tenant_id)s AND next_step_at > %(after)s
    ) AS step_at,
    (SELECT min(period_end) FROM billed WHERE period_end > %(after)s) AS period_end,
    EXISTS (SELECT FROM billed WHERE period_end <= %(after)s) AS due
