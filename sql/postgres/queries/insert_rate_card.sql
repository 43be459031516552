INSERT INTO catalog.rate_cards
(
    id, tenant_id, plan_version_id, position, key, name, meter_id, price_id, cadence, every, timing,
    quantity, valid_from, recorded_from
)
VALUES
(
    %(id)s, %(tenant_id)s, %(plan_version_id)s, %(position)s, %(key)s, %(name)s, %(meter_id)s,
    %(price_id)s, %(cadence)s, %(every)s, %(timing)s, %(quantity)s,
    %(now)s, %(now)s
)
