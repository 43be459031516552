INSERT INTO catalog.prices
(
    id, tenant_id, model, currency, parameters, adjustments, rounding, content_hash, version,
    valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(model)s, %(currency)s, %(parameters)s, %(adjustments)s, %(rounding)s,
    %(content_hash)s, %(version)s, %(now)s, %(now)s
)
