-- Names and opens every draft of a run: 1..n in the order customer, subscription, period;
-- an invoice with groups, which has no subscription, comes first.
WITH ordered AS
(
    SELECT
        invoices.id,
        series.prefix,
        series.next_number - 1 + row_number() OVER
        (
            PARTITION BY invoices.series_id
            ORDER BY
                invoices.customer_id, invoices.subscription_id NULLS FIRST, invoices.currency,
                invoices.period_start, invoices.kind, invoices.id
        ) AS number
    FROM invoicing.invoices
    JOIN invoicing.number_series AS series ON series.id = invoices.series_id
    WHERE invoices.tenant_id = %(tenant_id)s
      AND invoices.billing_run_id = %(billing_run_id)s
      AND invoices.status = 'draft'
),
numbered AS
(
    UPDATE invoicing.invoices
    SET status = 'open',
        number = ordered.number,
        number_text = ordered.prefix
            || lpad(ordered.number::text, greatest(6, length(ordered.number::text)), '0'),
        finalised_at = %(finalised_at)s
    FROM ordered
    WHERE invoices.id = ordered.id
    RETURNING invoices.series_id, invoices.number
)
UPDATE invoicing.number_series
SET next_number = used.last_number + 1
FROM (SELECT series_id, max(number) AS last_number FROM numbered GROUP BY series_id) AS used
WHERE number_series.id = used.series_id
