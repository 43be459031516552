WITH created AS
(
    SELECT subscription.id, subscription.slug
    FROM benchmark_crowd AS crowd
    JOIN subscriptions.subscriptions AS subscription
        ON subscription.tenant_id = crowd.tenant_id AND subscription.customer_id = crowd.customer_id
    WHERE crowd.tenant_id = %(tenant_id)s AND crowd.number BETWEEN %(first)s AND %(last)s
)
SELECT
    (SELECT count(*) FROM created) AS subscriptions,
    (SELECT count(*) FROM subscriptions.subscription_terms WHERE subscription_id IN (SELECT id FROM created)) AS terms,
    (SELECT count(*) FROM subscriptions.subscription_changes WHERE subscription_id IN (SELECT id FROM created))
        AS changes,
    (
        SELECT count(DISTINCT position) FROM outbox.billing_events
        WHERE tenant_id = %(tenant_id)s AND subject = 'subscription.created'
            AND payload ->> 'slug' IN (SELECT slug FROM created)
    ) AS events
