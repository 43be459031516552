-- Every price model is sold in plans, and stands on invoices. adjustments: what a price says around
-- its model. quantity: how many units are agreed where a subscription says no other number; such a
-- line has no meter.
ALTER TABLE catalog.prices ADD COLUMN adjustments jsonb NOT NULL DEFAULT '{}';
ALTER TABLE catalog.rate_cards
    ADD COLUMN quantity numeric(38, 12) CHECK (quantity >= 0),
    ADD CHECK (quantity IS NULL OR meter_id IS NULL);

-- kind: from usage, an agreed quantity, a fee of the period, a percentage of other lines, or what
-- brings the line true_up_of up to its minimum. unit_amount is null where the amount is no product of
-- it; tiers then tells step by step how it came about. The exact amount is amount_exact, toward zero,
-- and amount_remainder over 10^36 x share_denominator. service_start and service_end are the time that
-- the line is for, share_numerator / share_denominator which share of the invoice's period that is.
-- Most lines have no price_adjustments and no tiers: null.
ALTER TABLE invoicing.invoice_lines
    ALTER COLUMN unit_amount DROP NOT NULL,
    ALTER COLUMN amount_exact TYPE numeric,
    ADD COLUMN kind text CHECK (kind IN ('usage', 'agreed', 'fee', 'percentage', 'true_up')),
    ADD COLUMN true_up_of uuid,
    ADD COLUMN used_quantity numeric(38, 12),
    ADD COLUMN amount_remainder bigint NOT NULL DEFAULT 0,
    ADD COLUMN share_numerator bigint NOT NULL DEFAULT 1 CHECK (share_numerator >= 0),
    ADD COLUMN share_denominator bigint NOT NULL DEFAULT 1,
    ADD COLUMN service_start timestamptz,
    ADD COLUMN service_end timestamptz,
    ADD COLUMN price_adjustments jsonb,
    ADD COLUMN tiers jsonb;

-- What is said now of lines of before was true of all of them; their invoices' hashes do not change.
ALTER TABLE invoicing.invoice_lines DISABLE TRIGGER invoice_lines_stay_final;
ALTER TABLE invoicing.invoice_lines NO FORCE ROW LEVEL SECURITY;
ALTER TABLE invoicing.invoices NO FORCE ROW LEVEL SECURITY;
UPDATE invoicing.invoice_lines AS line
SET kind = CASE WHEN line.meter_id IS NULL THEN 'fee' ELSE 'usage' END,
    used_quantity = line.quantity,
    service_start = invoice.period_start,
    service_end = invoice.period_end
FROM invoicing.invoices AS invoice
WHERE invoice.id = line.invoice_id;
ALTER TABLE invoicing.invoices FORCE ROW LEVEL SECURITY;
ALTER TABLE invoicing.invoice_lines FORCE ROW LEVEL SECURITY;
ALTER TABLE invoicing.invoice_lines ENABLE TRIGGER invoice_lines_stay_final;

ALTER TABLE invoicing.invoice_lines
    ALTER COLUMN kind SET NOT NULL,
    ALTER COLUMN used_quantity SET NOT NULL,
    ALTER COLUMN service_start SET NOT NULL,
    ALTER COLUMN service_end SET NOT NULL,
    ADD CHECK (service_start < service_end),
    ADD CHECK (share_numerator <= share_denominator AND share_denominator > 0),
    ADD CHECK ((kind = 'true_up') = (true_up_of IS NOT NULL)),
    DROP CONSTRAINT invoice_lines_invoice_id_line_key_key,
    ADD UNIQUE (invoice_id, line_key, service_start, kind),
    ADD UNIQUE (tenant_id, id),
    ADD FOREIGN KEY (tenant_id, true_up_of) REFERENCES invoicing.invoice_lines (tenant_id, id);
