-- What was agreed with a customer beside its plan, for the contract's term [valid_from, valid_to): at
-- least how much each period costs, and prices of its own. One that was ended early holds up to
-- ended_at; at its start, never. expires: the subscription ends with it. Prices and minimum of a
-- contract that names a subscription are for that one alone.
CREATE TABLE subscriptions.contracts
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    slug text NOT NULL,
    name text NOT NULL,
    customer_id uuid NOT NULL,
    subscription_id uuid,
    minimum_price_id uuid,
    expires boolean NOT NULL,
    ended_at timestamptz,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, slug),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions.subscriptions (tenant_id, id),
    FOREIGN KEY (tenant_id, minimum_price_id) REFERENCES catalog.prices (tenant_id, id),
    CHECK (minimum_price_id IS NULL OR subscription_id IS NOT NULL),
    CHECK (NOT expires OR (subscription_id IS NOT NULL AND valid_to < 'infinity')),
    CHECK (valid_from <= ended_at AND ended_at < valid_to),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
COMMENT ON COLUMN subscriptions.contracts.minimum_price_id IS
    'A flat price: what a period comes to at least';
CREATE INDEX contracts_by_customer ON subscriptions.contracts (tenant_id, customer_id, slug);
CREATE TABLE subscriptions.contracts_history (LIKE subscriptions.contracts);
CREATE INDEX contracts_history_by_id ON subscriptions.contracts_history (id);
CREATE TRIGGER contracts_keep_history BEFORE UPDATE ON subscriptions.contracts
FOR EACH ROW EXECUTE FUNCTION bitemporal.keep_history();
CREATE TRIGGER contracts_stay BEFORE DELETE ON subscriptions.contracts
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

-- Which price a line has for a customer, and when: in place of the plan's (plan_id null: of any plan
-- that has such a line). Of one scope and key, at most one is known of any instant: who writes one
-- holds the customer.
CREATE TABLE subscriptions.enterprise_pricing
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    contract_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    plan_id uuid,
    line_key text NOT NULL,
    price_id uuid NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, contract_id) REFERENCES subscriptions.contracts (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES catalog.pricing_plans (tenant_id, id),
    FOREIGN KEY (tenant_id, price_id) REFERENCES catalog.prices (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE INDEX enterprise_pricing_by_customer
ON subscriptions.enterprise_pricing (tenant_id, customer_id, line_key) WHERE recorded_to = 'infinity';
CREATE INDEX enterprise_pricing_by_contract ON subscriptions.enterprise_pricing (contract_id);
CREATE TRIGGER enterprise_pricing_stay BEFORE UPDATE OR DELETE ON subscriptions.enterprise_pricing
FOR EACH ROW EXECUTE FUNCTION subscriptions.only_supersede();

DO $$
DECLARE
    made text;
BEGIN
    FOREACH made IN ARRAY ARRAY['contracts', 'contracts_history', 'enterprise_pricing'] LOOP
        CALL tenancy.protect(format('subscriptions.%I', made)::regclass);
        EXECUTE format('GRANT SELECT ON subscriptions.%I TO tollbook_billing', made);
        EXECUTE format('GRANT SELECT, INSERT ON subscriptions.%I TO tollbook_api, tollbook_operator', made);
    END LOOP;
END
$$;
GRANT UPDATE (ended_at, recorded_from) ON subscriptions.contracts TO tollbook_api, tollbook_operator;
GRANT UPDATE (recorded_to) ON subscriptions.enterprise_pricing TO tollbook_api, tollbook_operator;

-- contract_id: whose price or minimum a line has. What brings a period up to a contract's minimum is
-- a true-up of no one line.
ALTER TABLE invoicing.invoice_lines
    ADD COLUMN contract_id uuid,
    ADD FOREIGN KEY (tenant_id, contract_id) REFERENCES subscriptions.contracts (tenant_id, id),
    DROP CONSTRAINT invoice_lines_check3,
    ADD CHECK (CASE WHEN kind = 'true_up' THEN true_up_of IS NOT NULL OR contract_id IS NOT NULL
        ELSE true_up_of IS NULL END),
    DROP CONSTRAINT invoice_lines_invoice_id_line_key_service_start_kind_key;
CREATE UNIQUE INDEX invoice_lines_by_key
ON invoicing.invoice_lines (invoice_id, line_key, service_start, kind, (true_up_of IS NULL));

-- Whose subscription it is, where another customer pays: customer_id is the one that pays.
ALTER TABLE invoicing.invoices
    ADD COLUMN for_customer_id uuid,
    ADD COLUMN for_name text,
    ADD FOREIGN KEY (tenant_id, for_customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    ADD CHECK ((for_customer_id IS NULL) = (for_name IS NULL));
