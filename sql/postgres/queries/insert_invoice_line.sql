INSERT INTO invoicing.invoice_lines
(
    id, tenant_id, invoice_id, position, line_key, description, meter_id, price_id, price_version,
    price_hash, price_model, price_parameters, quantity, unit_amount, amount_exact, amount_minor,
    event_count, unmeterable_count, usage_digest, rounding_mode, rule_version
)
VALUES
(
    %(id)s, %(tenant_id)s, %(invoice_id)s, %(position)s, %(line_key)s, %(description)s, %(meter_id)s,
    %(price_id)s, %(price_version)s, %(price_hash)s, %(price_model)s, %(price_parameters)s,
    %(quantity)s, %(unit_amount)s, %(amount_exact)s, %(amount_minor)s, %(event_count)s,
    %(unmeterable_count)s, %(usage_digest)s, %(rounding_mode)s, %(rule_version)s
)
