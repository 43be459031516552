-- What was billed: runs, the invoices they made, and the number series that names them.
CREATE SCHEMA invoicing;

-- One closing of one tenant's periods. as_of and cut are fixed when it starts, so a run that was
-- killed goes on with what it began with; at most one unfinished run per instant.
CREATE TABLE invoicing.billing_runs
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    as_of timestamptz NOT NULL,
    cut jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX billing_runs_unfinished ON invoicing.billing_runs (tenant_id, as_of)
WHERE finished_at IS NULL;

-- Gapless numbers 1..n behind one prefix: whoever numbers holds the row's lock until commit.
CREATE TABLE invoicing.number_series
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    prefix text NOT NULL,
    next_number bigint NOT NULL DEFAULT 1 CHECK (next_number > 0),
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, prefix),
    UNIQUE (tenant_id, id)
);

-- seller, buyer and plan are what the parties were called when the invoice was made. content_hash is
-- the SHA-256 of the canonical document without its number and its status.
CREATE TABLE invoicing.invoices
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    billing_run_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    plan_version_id uuid NOT NULL,
    stripe_invoice_id text,
    kind text NOT NULL CHECK (kind IN ('period')),
    status text NOT NULL CHECK (status IN ('draft', 'open', 'paid', 'void', 'uncollectible')),
    series_id uuid NOT NULL,
    number bigint CHECK (number > 0),
    number_text text,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    time_zone text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    subtotal_minor bigint NOT NULL,
    total_minor bigint NOT NULL,
    amount_due_minor bigint NOT NULL,
    seller jsonb NOT NULL,
    buyer jsonb NOT NULL,
    plan jsonb NOT NULL,
    cut jsonb NOT NULL,
    content_hash text NOT NULL CHECK (content_hash ~ '^[0-9a-f]{64}$'),
    issued_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    finalised_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (subscription_id, period_start, kind),
    UNIQUE (series_id, number),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, billing_run_id) REFERENCES invoicing.billing_runs (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions.subscriptions (tenant_id, id),
    FOREIGN KEY (tenant_id, plan_version_id) REFERENCES catalog.plan_versions (tenant_id, id),
    FOREIGN KEY (tenant_id, series_id) REFERENCES invoicing.number_series (tenant_id, id),
    CHECK (period_start < period_end AND issued_at <= due_at),
    CHECK ((status = 'draft') = (number IS NULL)),
    CHECK ((number IS NULL) = (number_text IS NULL)),
    CHECK ((number IS NULL) = (finalised_at IS NULL))
);
CREATE INDEX invoices_by_customer ON invoicing.invoices (tenant_id, customer_id, period_start);
CREATE INDEX invoices_of_run ON invoicing.invoices (billing_run_id, status);

-- What a line was rated from and by which rule: enough to compute it again to the same bytes.
-- amount_exact is before, amount_minor after the one rounding.
CREATE TABLE invoicing.invoice_lines
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    invoice_id uuid NOT NULL,
    position integer NOT NULL,
    line_key text NOT NULL,
    description text NOT NULL,
    meter_id uuid,
    price_id uuid NOT NULL,
    price_version integer NOT NULL,
    price_hash text NOT NULL,
    price_model text NOT NULL,
    price_parameters jsonb NOT NULL,
    quantity numeric(38, 12) NOT NULL,
    unit_amount numeric(38, 12) NOT NULL,
    amount_exact numeric(44, 24) NOT NULL,
    amount_minor bigint NOT NULL,
    event_count bigint NOT NULL,
    unmeterable_count bigint NOT NULL,
    usage_digest text CHECK (usage_digest ~ '^[0-9a-f]{64}$'),
    rounding_mode text NOT NULL,
    rule_version integer NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (invoice_id, line_key),
    UNIQUE (invoice_id, position),
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES invoicing.invoices (tenant_id, id),
    FOREIGN KEY (tenant_id, meter_id) REFERENCES catalog.meters (tenant_id, id),
    FOREIGN KEY (tenant_id, price_id) REFERENCES catalog.prices (tenant_id, id),
    CHECK ((meter_id IS NULL) = (usage_digest IS NULL))
);

-- Customers a run could not bill, with the reason. They stay due: the next run tries them again.
CREATE TABLE invoicing.parked_customers
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    billing_run_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    error_code text NOT NULL,
    error_message text NOT NULL,
    parked_at timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (billing_run_id, customer_id),
    FOREIGN KEY (tenant_id, billing_run_id) REFERENCES invoicing.billing_runs (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id)
);

-- A numbered invoice says the same for ever: only payment moves its status on, and only labels of
-- other systems may be added.
CREATE FUNCTION invoicing.keep_finalised() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
    free text[] := ARRAY['status', 'stripe_invoice_id', 'metadata'];
BEGIN
    IF OLD.status = 'draft' THEN
        IF TG_OP = 'UPDATE' AND NEW.status NOT IN ('draft', 'open') THEN
            RAISE EXCEPTION 'invoice %: a draft becomes open before it becomes %', OLD.id, NEW.status
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' OR to_jsonb(NEW) - free <> to_jsonb(OLD) - free THEN
        RAISE EXCEPTION 'invoice %: is final; correct it with a credit note', OLD.number_text
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('open', 'paid'), ('open', 'void'), ('open', 'uncollectible'),
        ('uncollectible', 'paid'), ('uncollectible', 'void')
    ) THEN
        RAISE EXCEPTION 'invoice %: cannot go from % to %', OLD.number_text, OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER invoices_stay_final BEFORE UPDATE OR DELETE ON invoicing.invoices
FOR EACH ROW EXECUTE FUNCTION invoicing.keep_finalised();

CREATE FUNCTION invoicing.keep_lines() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
    line invoicing.invoice_lines := CASE TG_OP WHEN 'INSERT' THEN NEW ELSE OLD END;
BEGIN
    IF TG_OP = 'UPDATE' OR EXISTS (
        SELECT FROM invoicing.invoices WHERE id = line.invoice_id AND status <> 'draft'
    ) THEN
        RAISE EXCEPTION 'invoice line %: lines are never changed, and fixed once numbered', line.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN line;
END
$$;
CREATE TRIGGER invoice_lines_stay_final BEFORE INSERT OR UPDATE OR DELETE ON invoicing.invoice_lines
FOR EACH ROW EXECUTE FUNCTION invoicing.keep_lines();

CREATE FUNCTION invoicing.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION '%.%: invoices are never emptied', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER invoices_stay BEFORE TRUNCATE ON invoicing.invoices
FOR EACH STATEMENT EXECUTE FUNCTION invoicing.refuse_truncate();
CREATE TRIGGER invoice_lines_stay BEFORE TRUNCATE ON invoicing.invoice_lines
FOR EACH STATEMENT EXECUTE FUNCTION invoicing.refuse_truncate();
