INSERT INTO catalog.rate_card_prices
    (id, tenant_id, rate_card_id, phase_id, currency, price_id, valid_from, recorded_from)
VALUES
(
    %(id)s, %(tenant_id)s, %(rate_card_id)s, %(phase_id)s, %(currency)s, %(price_id)s, %(now)s, %(now)s
)
