INSERT INTO subscriptions.subscription_changes
(
    id, tenant_id, subscription_id, revision, change, before, after, actor, correlation_id,
    effective_at, created_at
)
VALUES
(
    %(id)s, %(tenant_id)s, %(subscription_id)s, %(revision)s, %(change)s, %(before)s, %(after)s,
    coalesce(nullif(current_setting('tollbook.actor', true), ''), 'system'),
    coalesce(current_setting('tollbook.correlation_id', true), ''), %(effective_at)s, %(now)s
)
