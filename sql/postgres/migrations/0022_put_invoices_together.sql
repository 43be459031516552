-- One invoice per payer and currency. What a run drafts for a payer becomes groups of one invoice:
-- its row has kind 'together', the number, and no subscription; each draft becomes a part of it and
-- never has a number. invoices: whether a payer wants that, or one for each period.
ALTER TABLE subscriptions.customers
    ADD COLUMN invoices text NOT NULL DEFAULT 'together' CHECK (invoices IN ('together', 'apart'));
ALTER TABLE subscriptions.customers_history ADD COLUMN invoices text NOT NULL DEFAULT 'together';

-- handed_over: another tenant of the same owner invoices it. What was issued before stays as it is.
ALTER TABLE invoicing.invoices
    ADD COLUMN part_of uuid,
    ALTER COLUMN subscription_id DROP NOT NULL,
    ALTER COLUMN plan_version_id DROP NOT NULL,
    DROP CONSTRAINT invoices_kind_check,
    DROP CONSTRAINT invoices_status_check,
    DROP CONSTRAINT invoices_check1,
    DROP CONSTRAINT invoices_check3,
    ADD FOREIGN KEY (tenant_id, part_of) REFERENCES invoicing.invoices (tenant_id, id),
    ADD CONSTRAINT invoices_kind_check CHECK (kind IN ('period', 'opening', 'together')),
    ADD CONSTRAINT invoices_status_check
        CHECK (status IN ('draft', 'part', 'handed_over', 'open', 'paid', 'void', 'uncollectible')),
    ADD CHECK ((status IN ('draft', 'part', 'handed_over')) = (number IS NULL)),
    ADD CHECK ((status = 'draft') = (finalised_at IS NULL)),
    ADD CHECK ((status = 'part') = (part_of IS NOT NULL)),
    ADD CHECK ((kind = 'together') = (subscription_id IS NULL)),
    ADD CHECK ((subscription_id IS NULL) = (plan_version_id IS NULL)),
    ADD CHECK (kind <> 'together' OR status NOT IN ('part', 'handed_over'));
CREATE INDEX invoices_for_others ON invoicing.invoices (billing_run_id)
WHERE for_customer_id IS NOT NULL AND status = 'draft';
CREATE INDEX invoices_of_invoice ON invoicing.invoices (part_of) WHERE part_of IS NOT NULL;

CREATE OR REPLACE FUNCTION invoicing.keep_finalised() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
    free text[] := ARRAY['status', 'stripe_invoice_id', 'metadata'];
BEGIN
    IF OLD.status = 'draft' THEN
        IF TG_OP = 'UPDATE' AND NEW.status NOT IN ('draft', 'part', 'handed_over', 'open') THEN
            RAISE EXCEPTION 'invoice %: a draft becomes open before it becomes %', OLD.id, NEW.status
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF TG_OP = 'UPDATE' AND NEW.status = 'part' AND NOT EXISTS (
            SELECT FROM invoicing.invoices
            WHERE id = NEW.part_of AND kind = 'together' AND status = 'draft'
                AND (customer_id, currency) = (NEW.customer_id, NEW.currency)
        ) THEN
            RAISE EXCEPTION 'invoice %: is part of no draft of its payer and currency', OLD.id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' OR to_jsonb(NEW) - free <> to_jsonb(OLD) - free THEN
        RAISE EXCEPTION 'invoice %: is final; correct it with a credit note',
            coalesce(OLD.number_text, OLD.id::text) USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('open', 'paid'), ('open', 'void'), ('open', 'uncollectible'),
        ('uncollectible', 'paid'), ('uncollectible', 'void')
    ) THEN
        RAISE EXCEPTION 'invoice %: cannot go from % to %',
            coalesce(OLD.number_text, OLD.id::text), OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

-- Who owns several tenants: what is drafted in one of them may be invoiced by another.
ALTER TABLE identity.tenants ADD COLUMN owner text CHECK (owner <> '');

-- Which of a tenant's customers another tenant of the same owner invoices (side 'gives'), and for whom a
-- tenant does so ('takes'). Each side writes its own row, with the other's names. accepted_at: of what is
-- given, since when the other side takes it. What is said holds from when it is said until it is taken
-- back, and is known as long: one range says both.
CREATE TABLE invoicing.payer_links
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    side text NOT NULL CHECK (side IN ('gives', 'takes')),
    customer_id uuid NOT NULL,
    other_tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    other_customer_id uuid,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    offered_at timestamptz NOT NULL,
    accepted_at timestamptz,
    ended_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    CHECK (tenant_id <> other_tenant_id),
    CHECK (side = 'gives' OR (accepted_at IS NOT NULL AND other_customer_id IS NOT NULL)),
    CHECK ((accepted_at IS NULL) = (other_customer_id IS NULL)),
    CHECK (offered_at <= accepted_at AND offered_at <= ended_at)
);
CREATE UNIQUE INDEX payer_links_given ON invoicing.payer_links (tenant_id, customer_id)
WHERE side = 'gives' AND ended_at IS NULL;
CREATE UNIQUE INDEX payer_links_taken ON invoicing.payer_links (tenant_id, other_tenant_id, other_customer_id)
WHERE side = 'takes' AND ended_at IS NULL;

-- What a tenant handed over: the other one asks for nothing, it is brought. waits_for: why it could not
-- be, so far. number_text: of the invoice that it became a group of.
CREATE TABLE invoicing.hand_overs
(
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    invoice_id uuid NOT NULL,
    home_tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    handed_at timestamptz NOT NULL,
    waits_for text,
    arrived_at timestamptz,
    number_text text,
    PRIMARY KEY (tenant_id, invoice_id),
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES invoicing.invoices (tenant_id, id),
    CHECK (waits_for IS NULL OR arrived_at IS NULL),
    CHECK (number_text IS NULL OR arrived_at IS NOT NULL)
);
CREATE INDEX hand_overs_open ON invoicing.hand_overs (tenant_id, handed_at, invoice_id)
WHERE number_text IS NULL;

-- What came from other tenants, once each: the group as it stands on the invoice, and nothing behind it.
CREATE TABLE invoicing.received_groups
(
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    member_tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    draft_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total_minor bigint NOT NULL,
    document jsonb NOT NULL,
    issued_at timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL,
    invoice_id uuid,
    PRIMARY KEY (tenant_id, member_tenant_id, draft_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES invoicing.invoices (tenant_id, id)
);
CREATE INDEX received_groups_waiting ON invoicing.received_groups (tenant_id, issued_at)
WHERE invoice_id IS NULL;
CREATE INDEX received_groups_of_invoice ON invoicing.received_groups (invoice_id)
WHERE invoice_id IS NOT NULL;

CREATE FUNCTION invoicing.keep_received() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.invoice_id IS NOT NULL
        OR to_jsonb(NEW) - 'invoice_id' <> to_jsonb(OLD) - 'invoice_id'
        OR NOT EXISTS (
            SELECT FROM invoicing.invoices WHERE id = NEW.invoice_id AND status = 'draft' AND kind = 'together'
        ) THEN
        RAISE EXCEPTION 'received group %: it is never changed, and invoiced once', OLD.draft_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER received_groups_stay BEFORE UPDATE OR DELETE ON invoicing.received_groups
FOR EACH ROW EXECUTE FUNCTION invoicing.keep_received();

DO $$
DECLARE
    made text;
BEGIN
    FOREACH made IN ARRAY ARRAY['payer_links', 'hand_overs', 'received_groups'] LOOP
        CALL tenancy.protect(format('invoicing.%I', made)::regclass);
        EXECUTE format('GRANT SELECT ON invoicing.%I TO tollbook_api', made);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON invoicing.%I TO tollbook_billing, tollbook_operator', made);
    END LOOP;
END
$$;
REVOKE INSERT, UPDATE ON invoicing.payer_links FROM tollbook_billing;
