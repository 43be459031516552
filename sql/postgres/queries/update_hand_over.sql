-- What became of it; again changes nothing.
UPDATE invoicing.hand_overs
SET arrived_at = coalesce(arrived_at, %(arrived_at)s::timestamptz),
    waits_for = %(waits_for)s::text,
    number_text = %(number_text)s::text
WHERE tenant_id = %(tenant_id)s AND invoice_id = %(invoice_id)s AND number_text IS NULL
    AND (arrived_at, waits_for, number_text) IS DISTINCT FROM
        (coalesce(arrived_at, %(arrived_at)s::timestamptz), %(waits_for)s::text, %(number_text)s::text)
RETURNING invoice_id
