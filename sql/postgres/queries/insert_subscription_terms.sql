INSERT INTO subscriptions.subscription_terms
    (id, tenant_id, subscription_id, plan_version_id, quantities, addons, trial, phase, valid_from, valid_to, recorded_from)
VALUES
(
    %(id)s, %(tenant_id)s, %(subscription_id)s, %(plan_version_id)s, %(quantities)s, %(addons)s, %(trial)s, %(phase)s,
    %(start)s, coalesce(%(end)s::timestamptz, 'infinity'), %(recorded_at)s
)
