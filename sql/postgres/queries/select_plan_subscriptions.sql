-- Live subscriptions that have a plan, or are going to, by id.
SELECT id, slug, customer_id, revision
FROM subscriptions.subscriptions AS subscription
WHERE tenant_id = %(tenant_id)s
    AND status NOT IN ('CANCELED', 'EXPIRED')
    AND id > %(after)s
    AND (
        plan_id = %(plan_id)s
        OR EXISTS (
            SELECT
            FROM subscriptions.subscription_terms AS terms
            JOIN catalog.plan_versions AS version ON version.id = terms.plan_version_id
            WHERE terms.subscription_id = subscription.id
                AND terms.recorded_to = 'infinity'
                AND terms.valid_to > subscription.valid_from
                AND version.plan_id = %(plan_id)s
        )
    )
ORDER BY id
LIMIT %(limit)s
