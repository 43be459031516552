-- A tenant is for production or a sandbox, for ever. settings: what a tenant has said about how it is
-- worked for, and no default of ours; settings_revision counts the changes.
ALTER TABLE identity.tenants
    ADD COLUMN kind text NOT NULL DEFAULT 'production' CHECK (kind IN ('production', 'sandbox')),
    ADD COLUMN settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    ADD COLUMN settings_revision integer NOT NULL DEFAULT 1 CHECK (settings_revision > 0),
    ADD UNIQUE (id, kind);

-- Where the time of a sandbox stands. Rows come with their tenants, and stay.
CREATE TABLE identity.sandboxes
(
    tenant_id uuid PRIMARY KEY,
    kind text NOT NULL DEFAULT 'sandbox' CHECK (kind = 'sandbox'),
    started_at timestamptz NOT NULL,
    clock_at timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, kind) REFERENCES identity.tenants (id, kind),
    CHECK (started_at <= clock_at AND clock_at < 'infinity')
);

CREATE FUNCTION identity.keep_kind() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION 'tenant %: stays a tenant for %', OLD.slug, OLD.kind
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER tenants_keep_kind BEFORE UPDATE ON identity.tenants
FOR EACH ROW WHEN (OLD.kind <> NEW.kind) EXECUTE FUNCTION identity.keep_kind();

CREATE FUNCTION identity.go_forward() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.clock_at < OLD.clock_at OR NEW.started_at <> OLD.started_at THEN
        RAISE EXCEPTION 'sandbox %: its clock goes forward only', OLD.tenant_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sandboxes_go_forward BEFORE UPDATE OR DELETE ON identity.sandboxes
FOR EACH ROW EXECUTE FUNCTION identity.go_forward();

-- Where the tenant's time stands, null for one that lives in real time. Until this transaction ends a
-- sandbox's clock is not moved on: nothing is written at an instant that has passed.
CREATE FUNCTION identity.clock_at(tenant uuid) RETURNS timestamptz LANGUAGE plpgsql AS
$$
BEGIN
    IF NOT EXISTS (SELECT FROM identity.sandboxes WHERE tenant_id = tenant) THEN
        RETURN NULL;
    END IF;
    IF NOT current_setting('transaction_read_only')::boolean THEN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('sandbox clock ' || tenant, 0));
    END IF;
    RETURN (SELECT clock_at FROM identity.sandboxes WHERE tenant_id = tenant);
END
$$;

-- Moves a sandbox's clock on to an instant, once nobody writes by it any more; never back.
CREATE FUNCTION identity.move_clock(tenant uuid, instant timestamptz) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('sandbox clock ' || tenant, 0));
    UPDATE identity.sandboxes SET clock_at = instant WHERE tenant_id = tenant AND clock_at < instant;
END
$$;

-- A user's work has the tenant's time, too.
CALL tenancy.protect('identity.sandboxes');
CREATE POLICY sandboxes_select_own ON identity.sandboxes FOR SELECT
USING (tenant_id = (SELECT tenancy.tenant_id()) AND (SELECT tenancy.user_id()) IS NOT NULL);
GRANT SELECT ON identity.sandboxes TO tollbook_api, tollbook_billing, tollbook_operator;
GRANT INSERT ON identity.sandboxes TO tollbook_operator;
GRANT UPDATE (settings, settings_revision) ON identity.tenants TO tollbook_api;
GRANT UPDATE (clock_at) ON identity.sandboxes TO tollbook_api, tollbook_operator;

-- What a sandbox bills is never paid by anybody, and says so.
ALTER TABLE invoicing.invoices ADD COLUMN sandbox boolean NOT NULL DEFAULT false;
