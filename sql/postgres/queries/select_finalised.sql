-- The invoices of a run, in the order of their numbers.
SELECT
    id, number_text, customer_id, for_customer_id, subscription_id, total_minor, currency,
    CASE WHEN kind = 'together' THEN ARRAY(
        SELECT part.id FROM invoicing.invoices AS part WHERE part.part_of = invoices.id
        UNION ALL
        SELECT draft_id FROM invoicing.received_groups WHERE invoice_id = invoices.id
        ORDER BY 1
    ) END AS group_ids
FROM invoicing.invoices
WHERE tenant_id = %(tenant_id)s AND billing_run_id = %(billing_run_id)s AND number IS NOT NULL
ORDER BY series_id, number
