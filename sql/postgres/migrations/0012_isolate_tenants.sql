-- Closes tenants to each other in the database itself: a query that forgets its WHERE shows nothing
-- of anybody else. Four roles, none of which may log in, own or bypass anything: a server's login is
-- a member of those it needs, and takes one on for each connection.
CREATE SCHEMA tenancy;

-- Roles belong to the whole cluster, whose other databases may make them at the same moment.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tollbook_snapshot', 'tollbook_api', 'tollbook_billing', 'tollbook_operator']
    LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        -- Whoever migrates may work, too, where they are allowed to say so; else it is said to them
        -- when they try.
        BEGIN
            IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                EXECUTE format('GRANT %I TO %I', wanted, current_user);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- Whose rows this transaction sees: nobody's until it says so.
CREATE FUNCTION tenancy.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('tollbook.tenant_id', true), '')::uuid $$;

-- As which of the tenant's own users; null is the tenant's staff and its programs.
CREATE FUNCTION tenancy.user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('tollbook.user_id', true), '')::uuid $$;

-- Whose rows this transaction sees all of: a user's sees what a policy of its own lets it see.
CREATE FUNCTION tenancy.whole_tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN tenancy.user_id() IS NULL THEN tenancy.tenant_id() END $$;

-- Until the transaction ends. One that acts for a tenant, or as a user, never acts for another one.
CREATE FUNCTION tenancy.act(tenant uuid, app_user uuid, actor text, correlation text, causation text)
RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    IF tenancy.tenant_id() <> tenant
        OR (tenancy.tenant_id() IS NOT NULL AND tenancy.user_id() IS DISTINCT FROM app_user) THEN
        RAISE EXCEPTION 'this transaction acts for tenant %, so it cannot act for %',
            tenancy.tenant_id(), tenant USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('tollbook.tenant_id', tenant::text, true),
        set_config('tollbook.user_id', coalesce(app_user::text, ''), true),
        set_config('tollbook.actor', actor, true),
        set_config('tollbook.correlation_id', correlation, true),
        set_config('tollbook.causation_id', causation, true);
END
$$;

-- What every table of a tenant's rows needs, also for its owner. A migration that changes such rows
-- takes FORCE off its table first and puts it on again.
CREATE PROCEDURE tenancy.protect(protected regclass, tenant_column text DEFAULT 'tenant_id') LANGUAGE plpgsql AS
$$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format(
        'CREATE POLICY own_tenant ON %1$s USING (%2$I = (SELECT tenancy.whole_tenant_id()))'
        ' WITH CHECK (%2$I = (SELECT tenancy.whole_tenant_id()))',
        protected, tenant_column
    );
END
$$;

DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN
        SELECT oid FROM pg_class
        WHERE relkind = 'r'
          AND relnamespace::regnamespace::text
              IN ('identity', 'catalog', 'subscriptions', 'invoicing', 'corrections')
          AND oid NOT IN ('identity.tenants'::regclass, 'catalog.catalog_version'::regclass)
    LOOP
        CALL tenancy.protect(found);
    END LOOP;
    CALL tenancy.protect('identity.tenants', 'id');
END
$$;

-- A key is replaced by one of the same tenant.
ALTER TABLE identity.api_keys
    ADD UNIQUE (tenant_id, id),
    DROP CONSTRAINT api_keys_replaced_by_fkey,
    ADD FOREIGN KEY (tenant_id, replaced_by) REFERENCES identity.api_keys (tenant_id, id);

-- A user sees the customers that are theirs, and what these have subscribed to.
CREATE INDEX customers_by_user ON subscriptions.customers (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE POLICY customers_select_own ON subscriptions.customers FOR SELECT
USING (tenant_id = (SELECT tenancy.tenant_id()) AND user_id = (SELECT tenancy.user_id()));
CREATE POLICY subscriptions_select_own ON subscriptions.subscriptions FOR SELECT
USING (
    tenant_id = (SELECT tenancy.tenant_id())
    AND customer_id IN (
        SELECT id FROM subscriptions.customers
        WHERE tenant_id = (SELECT tenancy.tenant_id()) AND user_id = (SELECT tenancy.user_id())
    )
);

-- The only rows that somebody sees of all tenants: what the data plane runs on, and, while they act
-- for nobody, whose periods there are to close. Operators make tenants.
CREATE POLICY snapshot_of_all ON identity.tenants FOR SELECT TO tollbook_snapshot USING (true);
CREATE POLICY snapshot_of_all ON identity.api_keys FOR SELECT TO tollbook_snapshot USING (true);
CREATE POLICY snapshot_of_all ON catalog.meters FOR SELECT TO tollbook_snapshot USING (true);
CREATE POLICY billing_of_all ON identity.tenants FOR SELECT TO tollbook_billing
USING ((SELECT tenancy.tenant_id()) IS NULL);
CREATE POLICY operation_of_all ON identity.tenants TO tollbook_operator
USING ((SELECT tenancy.tenant_id()) IS NULL) WITH CHECK ((SELECT tenancy.tenant_id()) IS NULL);

GRANT USAGE ON SCHEMA tenancy
TO tollbook_snapshot, tollbook_api, tollbook_billing, tollbook_operator;

GRANT USAGE ON SCHEMA identity, catalog TO tollbook_snapshot;
GRANT SELECT ON identity.tenants, identity.api_keys, catalog.meters, catalog.catalog_version
TO tollbook_snapshot;

GRANT USAGE ON SCHEMA identity, catalog, subscriptions, corrections, invoicing, bitemporal TO tollbook_api;
GRANT SELECT ON ALL TABLES IN SCHEMA identity, catalog, subscriptions, corrections, invoicing TO tollbook_api;
GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA catalog, subscriptions, corrections TO tollbook_api;
GRANT INSERT, UPDATE ON identity.api_keys, identity.idempotency_keys TO tollbook_api;

GRANT USAGE ON SCHEMA identity, catalog, subscriptions, invoicing, bitemporal TO tollbook_billing;
GRANT SELECT ON identity.tenants TO tollbook_billing;
GRANT SELECT ON ALL TABLES IN SCHEMA catalog, subscriptions, invoicing TO tollbook_billing;
GRANT UPDATE (billed_until, period_start, period_end) ON subscriptions.subscriptions TO tollbook_billing;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA invoicing TO tollbook_billing;

GRANT USAGE ON SCHEMA identity, catalog, subscriptions, corrections, invoicing, bitemporal TO tollbook_operator;
GRANT SELECT, INSERT, UPDATE, DELETE
ON ALL TABLES IN SCHEMA identity, catalog, subscriptions, corrections, invoicing TO tollbook_operator;

-- The one row that all tenants write: it counts, and does nothing else.
REVOKE INSERT, DELETE ON catalog.catalog_version FROM tollbook_api, tollbook_operator;
CREATE FUNCTION catalog.count_on() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION 'catalog version %: the next one is %', NEW.version, OLD.version + 1
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER catalog_version_counts BEFORE UPDATE ON catalog.catalog_version
FOR EACH ROW EXECUTE FUNCTION catalog.count_on();
