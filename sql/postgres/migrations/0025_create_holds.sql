-- What is held of a metered feature ahead of use, in [held_at, expires_at) of the tenant's time: it
-- counts beside records until it has an outcome. Who reserves of the feature gives holds that are
-- over theirs, 'expired', before it counts the others. A hold has one outcome, for ever.
CREATE TABLE entitlements.holds
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    customer_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    usage_type text NOT NULL,
    quantity numeric(38, 12) NOT NULL CHECK (quantity > 0),
    held_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    outcome text CHECK (outcome IN ('committed', 'released', 'expired')),
    closed_at timestamptz,
    record_id uuid,
    metadata jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, feature_id) REFERENCES catalog.features (tenant_id, id),
    CHECK (held_at < expires_at),
    CHECK ((outcome IS NULL) = (closed_at IS NULL)),
    CHECK ((outcome IS NOT DISTINCT FROM 'committed') = (record_id IS NOT NULL))
);
COMMENT ON COLUMN entitlements.holds.usage_type IS 'The slug of the feature';
COMMENT ON COLUMN entitlements.holds.record_id IS 'The record of use that it became';
CREATE INDEX holds_open
ON entitlements.holds (tenant_id, customer_id, feature_id) WHERE outcome IS NULL;
CREATE INDEX holds_by_age ON entitlements.holds (tenant_id, created_at) WHERE outcome IS NOT NULL;

CREATE FUNCTION entitlements.outcome_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a hold has one outcome, for ever' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER holds_stay BEFORE UPDATE ON entitlements.holds
FOR EACH ROW WHEN (old.outcome IS NOT NULL) EXECUTE FUNCTION entitlements.outcome_stays();

CALL tenancy.protect('entitlements.holds'::regclass);
GRANT SELECT, INSERT ON entitlements.holds TO tollbook_api, tollbook_operator;
GRANT UPDATE (outcome, closed_at, record_id) ON entitlements.holds TO tollbook_api, tollbook_operator;
GRANT DELETE ON entitlements.holds TO tollbook_operator;
