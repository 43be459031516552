INSERT INTO invoicing.invoice_lines
(
    id, tenant_id, invoice_id, position, kind, true_up_of, contract_id, phase, line_key, description, meter_id,
    price_id, price_version, price_hash, price_model, price_parameters, price_adjustments,
    service_start, service_end, share_numerator, share_denominator, used_quantity, quantity, unit_amount, tiers,
    amount_exact, amount_remainder, amount_minor, event_count, unmeterable_count, usage_digest,
    rounding_mode, rule_version, in_advance, every, settles
)
VALUES
(
    %(id)s, %(tenant_id)s, %(invoice_id)s, %(position)s, %(kind)s, %(true_up_of)s, %(contract_id)s,
    %(phase)s, %(line_key)s, %(description)s, %(meter_id)s, %(price_id)s, %(price_version)s, %(price_hash)s,
    %(price_model)s, %(price_parameters)s, %(price_adjustments)s, %(service_start)s, %(service_end)s,
    %(share_numerator)s, %(share_denominator)s, %(used_quantity)s, %(quantity)s, %(unit_amount)s,
    %(tiers)s, %(amount_exact)s, %(amount_remainder)s, %(amount_minor)s, %(event_count)s,
    %(unmeterable_count)s, %(usage_digest)s, %(rounding_mode)s, %(rule_version)s,
    %(in_advance)s, %(every)s, %(settles)s
)
