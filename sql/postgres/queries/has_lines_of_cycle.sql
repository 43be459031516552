-- Whether a plan version has a line for subscriptions of a billing cycle.
SELECT EXISTS (
    SELECT FROM catalog.rate_cards
    WHERE plan_version_id = %(plan_version_id)s AND coalesce(cadence, %(cycle)s) = %(cycle)s
) AS has_lines
