-- Invoices in the order of their numbers, drafts last; found by id or number, or all but the parts of
-- others.
SELECT *
FROM invoicing.invoices
WHERE (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s)
  AND (%(id)s::uuid IS NULL OR id = %(id)s)
  AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s))
  AND (%(number_text)s::text IS NULL OR number_text = %(number_text)s)
  AND (%(billing_run_id)s::uuid IS NULL OR billing_run_id = %(billing_run_id)s)
  AND (part_of IS NULL OR %(id)s::uuid IS NOT NULL)
ORDER BY
    tenant_id, series_id, number NULLS LAST, customer_id, subscription_id NULLS FIRST, currency,
    period_start
LIMIT %(limit)s
