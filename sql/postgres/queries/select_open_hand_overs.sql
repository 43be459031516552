-- What was handed over and has no number yet, the oldest first.
SELECT
    hand.invoice_id, hand.home_tenant_id, hand.arrived_at, hand.waits_for, draft.customer_id
FROM invoicing.hand_overs AS hand
JOIN invoicing.invoices AS draft ON draft.id = hand.invoice_id
WHERE hand.tenant_id = %(tenant_id)s AND hand.number_text IS NULL
ORDER BY hand.handed_at, hand.invoice_id
