-- What customers may use beside what their plans give, and what is reserved of it.
CREATE SCHEMA entitlements;

-- In place of what the customer's subscriptions give of a feature in [valid_from, valid_to): nothing
-- (given false), or this. Of one customer and feature at most one is known of any instant: who writes
-- one holds the customer. An id stays while what is known of it changes.
CREATE TABLE entitlements.overrides
(
    id uuid NOT NULL,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    customer_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    given boolean NOT NULL,
    limit_quantity numeric(38, 12) CHECK (limit_quantity >= 0),
    hard boolean NOT NULL,
    reset text,
    value text,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, recorded_from),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, feature_id) REFERENCES catalog.features (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE INDEX overrides_by_customer
ON entitlements.overrides (tenant_id, customer_id, id) WHERE recorded_to = 'infinity';
CREATE TRIGGER overrides_stay BEFORE UPDATE OR DELETE ON entitlements.overrides
FOR EACH ROW EXECUTE FUNCTION subscriptions.only_supersede();

-- So much more of a metered feature, once, for use in [valid_from, valid_to).
CREATE TABLE entitlements.grants
(
    id uuid NOT NULL,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    customer_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    quantity numeric(38, 12) NOT NULL CHECK (quantity > 0),
    priority integer NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL,
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, recorded_from),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, feature_id) REFERENCES catalog.features (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE INDEX grants_by_customer
ON entitlements.grants (tenant_id, customer_id, id) WHERE recorded_to = 'infinity';
CREATE TRIGGER grants_stay BEFORE UPDATE OR DELETE ON entitlements.grants
FOR EACH ROW EXECUTE FUNCTION subscriptions.only_supersede();

-- What was read of a customer's use of a feature, up to a cut of the log, and what it left: the one
-- row that those who reserve of it wait for. The cut never goes back.
CREATE TABLE entitlements.usage_counters
(
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    customer_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    period tstzrange NOT NULL,
    cut text NOT NULL,
    used numeric NOT NULL,
    limit_quantity numeric,
    granted numeric NOT NULL,
    room numeric,
    hard boolean NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, customer_id, feature_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, feature_id) REFERENCES catalog.features (tenant_id, id),
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions.subscriptions (tenant_id, id)
);
COMMENT ON COLUMN entitlements.usage_counters.room IS
    'How much more the customer could use at the cut; null: without end';

-- What was used by a call of usage/track, and reserved by it: a record whose event is not yet among
-- those up to its counter's cut (seen_at null) counts beside them.
CREATE TABLE entitlements.usage_records
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    subscription_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    usage_type text NOT NULL,
    quantity numeric(38, 12) NOT NULL CHECK (quantity > 0),
    period tstzrange NOT NULL,
    subject text NOT NULL,
    event_type text NOT NULL,
    event_key bytea NOT NULL CHECK (length(event_key) = 16),
    data text NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    seen_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions.subscriptions (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, feature_id) REFERENCES catalog.features (tenant_id, id),
    CHECK (occurred_at <@ period)
);
COMMENT ON COLUMN entitlements.usage_records.usage_type IS 'The slug of the feature';
CREATE INDEX usage_records_open
ON entitlements.usage_records (tenant_id, customer_id, feature_id) WHERE seen_at IS NULL;
CREATE INDEX usage_records_unsent ON entitlements.usage_records (tenant_id, id) WHERE sent_at IS NULL;

DO $$
DECLARE
    made text;
BEGIN
    FOREACH made IN ARRAY ARRAY['overrides', 'grants', 'usage_counters', 'usage_records'] LOOP
        CALL tenancy.protect(format('entitlements.%I', made)::regclass);
        EXECUTE format('GRANT SELECT ON entitlements.%I TO tollbook_billing', made);
        EXECUTE format('GRANT SELECT, INSERT ON entitlements.%I TO tollbook_api, tollbook_operator', made);
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA entitlements
TO tollbook_snapshot, tollbook_api, tollbook_billing, tollbook_operator;
GRANT UPDATE (recorded_to) ON entitlements.overrides, entitlements.grants
TO tollbook_api, tollbook_operator;
GRANT UPDATE ON entitlements.usage_counters TO tollbook_api, tollbook_operator;
GRANT UPDATE (sent_at, seen_at) ON entitlements.usage_records TO tollbook_api, tollbook_operator;

-- Whose records a dead process left unsent: that, and no more of them, is seen of all tenants.
CREATE POLICY unsent_of_all ON entitlements.usage_records FOR SELECT TO tollbook_snapshot
USING (sent_at IS NULL);
GRANT SELECT (tenant_id, sent_at) ON entitlements.usage_records TO tollbook_snapshot;
