INSERT INTO catalog.plan_versions
    (id, tenant_id, plan_id, number, currency, content_hash, valid_from, recorded_from)
VALUES
(
    %(id)s, %(tenant_id)s, %(plan_id)s, %(number)s, %(currency)s, %(content_hash)s, %(now)s, %(now)s
)
