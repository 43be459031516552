-- A line has a cycle and a timing of its own. every: how often it is billed, a whole multiple of the
-- subscription's billing cycle; null: that cycle. timing: at the end of its period, or at the start.
ALTER TABLE catalog.rate_cards
    DROP CONSTRAINT rate_cards_timing_check,
    ADD CHECK (timing IN ('in_arrears', 'in_advance')),
    ADD COLUMN every text CHECK (
        every ~ '^((dai|week|month|quarter|year)ly|every ([2-9]|[1-9][0-9]{1,3}) [a-z]+s)$'
    );

-- stretch_start: since when the subscription is billed without a break (null: since start_at).
-- opening: its start is still to be invoiced, for what is due in advance; opened_at: the start that
-- last was. credit_minor: what the last invoice left of credits, for the next one. All are
-- bookkeeping, as period_start is. due_at: when something is to be invoiced next. came_at: up to when
-- it was billed elsewhere when it came; what that was billed in advance goes on there for own periods
-- that begin before advance_from.
ALTER TABLE subscriptions.subscriptions
    ADD COLUMN stretch_start timestamptz,
    ADD COLUMN opening boolean NOT NULL DEFAULT false,
    ADD COLUMN opened_at timestamptz,
    ADD COLUMN credit_minor bigint NOT NULL DEFAULT 0 CHECK (credit_minor >= 0),
    ADD COLUMN came_at timestamptz,
    ADD COLUMN advance_from timestamptz,
    ADD CHECK ((came_at IS NULL) = (advance_from IS NULL)),
    ADD COLUMN due_at timestamptz NOT NULL
        GENERATED ALWAYS AS (CASE WHEN opening THEN period_start ELSE period_end END) STORED;
ALTER TABLE subscriptions.subscriptions_history
    ADD COLUMN stretch_start timestamptz,
    ADD COLUMN opening boolean,
    ADD COLUMN opened_at timestamptz,
    ADD COLUMN credit_minor bigint,
    ADD COLUMN came_at timestamptz,
    ADD COLUMN advance_from timestamptz,
    ADD COLUMN due_at timestamptz;
DROP INDEX subscriptions.subscriptions_by_period_end;
CREATE INDEX subscriptions_by_due_at ON subscriptions.subscriptions (due_at);
GRANT UPDATE (opening, opened_at, credit_minor) ON subscriptions.subscriptions TO tollbook_billing;

-- opening: what was due in advance where a subscription began. credit_before was left by the invoice
-- before, credit_after is left for the next one: total = subtotal - credit_before + credit_after.
ALTER TABLE invoicing.invoices
    DROP CONSTRAINT invoices_kind_check,
    ADD CHECK (kind IN ('period', 'opening', 'together')),
    ADD COLUMN credit_before_minor bigint NOT NULL DEFAULT 0 CHECK (credit_before_minor >= 0),
    ADD COLUMN credit_after_minor bigint NOT NULL DEFAULT 0 CHECK (credit_after_minor >= 0);

-- A settlement takes back the line settles, which was billed in advance; what it really came to
-- stands beside it. in_advance: billed before its time was over. every: as in the rate card.
ALTER TABLE invoicing.invoice_lines
    DROP CONSTRAINT invoice_lines_kind_check,
    ADD CHECK (kind IN ('usage', 'agreed', 'fee', 'percentage', 'true_up', 'settlement')),
    ADD COLUMN in_advance boolean NOT NULL DEFAULT false,
    ADD COLUMN every text,
    ADD COLUMN settles uuid UNIQUE,
    ADD FOREIGN KEY (tenant_id, settles) REFERENCES invoicing.invoice_lines (tenant_id, id),
    ADD CHECK ((kind = 'settlement') = (settles IS NOT NULL)),
    ADD CHECK (NOT in_advance OR meter_id IS NULL);
DROP INDEX invoicing.invoice_lines_by_key;
CREATE UNIQUE INDEX invoice_lines_by_key
ON invoicing.invoice_lines (invoice_id, line_key, service_start, kind, (true_up_of IS NULL))
WHERE kind <> 'settlement';
