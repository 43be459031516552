INSERT INTO invoicing.invoices
(
    id, tenant_id, billing_run_id, customer_id, subscription_id, plan_version_id, kind, status,
    series_id, period_start, period_end, time_zone, currency, subtotal_minor, total_minor,
    amount_due_minor, seller, buyer, plan, cut, content_hash, issued_at, due_at, created_at,
    for_customer_id, for_name, sandbox, credit_before_minor, credit_after_minor
)
VALUES
(
    %(id)s, %(tenant_id)s, %(billing_run_id)s, %(customer_id)s, %(subscription_id)s,
    %(plan_version_id)s, %(kind)s, 'draft', %(series_id)s, %(period_start)s, %(period_end)s,
    %(time_zone)s, %(currency)s, %(subtotal_minor)s, %(total_minor)s, %(amount_due_minor)s,
    %(seller)s, %(buyer)s, %(plan)s, %(cut)s, %(content_hash)s, %(issued_at)s, %(due_at)s,
    %(created_at)s, %(for_customer_id)s, %(for_name)s, %(sandbox)s, %(credit_before_minor)s,
    %(credit_after_minor)s
)
