-- Customers as people manage them: who belongs to whom and who pays for whom, what pays, what is
-- gone. parent_id: the customer above; payer: who gets this customer's invoices. revision grows with
-- every change, so that who read an older one is told. A deleted customer stays, because its
-- subscriptions and invoices say whose they are; its slug may be given again.
ALTER TABLE subscriptions.customers
    ADD COLUMN parent_id uuid,
    ADD COLUMN payer text NOT NULL DEFAULT 'self' CHECK (payer IN ('self', 'parent')),
    ADD COLUMN revision integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    ADD COLUMN deleted_at timestamptz,
    ADD FOREIGN KEY (tenant_id, parent_id) REFERENCES subscriptions.customers (tenant_id, id),
    ADD CHECK (parent_id <> id),
    ADD CHECK (payer = 'self' OR parent_id IS NOT NULL),
    DROP CONSTRAINT customers_tenant_id_slug_key;
ALTER TABLE subscriptions.customers_history
    ADD COLUMN parent_id uuid,
    ADD COLUMN payer text NOT NULL DEFAULT 'self',
    ADD COLUMN revision integer NOT NULL DEFAULT 1,
    ADD COLUMN deleted_at timestamptz;
CREATE UNIQUE INDEX customers_by_slug ON subscriptions.customers (tenant_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX customers_by_parent ON subscriptions.customers (tenant_id, parent_id, id)
WHERE parent_id IS NOT NULL;
CREATE INDEX customers_deleted ON subscriptions.customers (tenant_id, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX subjects_by_age ON subscriptions.subjects (tenant_id, customer_id, id);

-- What a customer pays with: a name that the provider knows it by, never a card's number. At most one
-- is tried first. One that is removed stays without its reference.
CREATE TABLE subscriptions.payment_methods
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    customer_id uuid NOT NULL,
    provider text NOT NULL,
    reference text NOT NULL,
    is_default boolean NOT NULL,
    removed_at timestamptz,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    CHECK (removed_at IS NULL OR (reference = '' AND NOT is_default)),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE UNIQUE INDEX payment_methods_by_reference
ON subscriptions.payment_methods (tenant_id, customer_id, provider, reference) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX payment_methods_default
ON subscriptions.payment_methods (tenant_id, customer_id) WHERE is_default;
CREATE TABLE subscriptions.payment_methods_history (LIKE subscriptions.payment_methods);
CREATE INDEX payment_methods_history_by_id ON subscriptions.payment_methods_history (id);
CREATE TRIGGER payment_methods_keep_history BEFORE UPDATE ON subscriptions.payment_methods
FOR EACH ROW EXECUTE FUNCTION bitemporal.keep_history();
CREATE TRIGGER payment_methods_stay BEFORE DELETE ON subscriptions.payment_methods
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

DO $$
DECLARE
    made text;
BEGIN
    FOREACH made IN ARRAY ARRAY['payment_methods', 'payment_methods_history'] LOOP
        CALL tenancy.protect(format('subscriptions.%I', made)::regclass);
        EXECUTE format('GRANT SELECT ON subscriptions.%I TO tollbook_billing', made);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON subscriptions.%I TO tollbook_api, tollbook_operator', made);
    END LOOP;
END
$$;
