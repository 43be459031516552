INSERT INTO subscriptions.subscription_pauses
    (id, tenant_id, subscription_id, billing, service, valid_from, valid_to, recorded_from)
VALUES
(
    %(id)s, %(tenant_id)s, %(subscription_id)s, %(billing)s, %(service)s,
    %(start)s, coalesce(%(end)s::timestamptz, 'infinity'), %(recorded_at)s
)
