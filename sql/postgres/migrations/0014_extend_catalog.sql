-- What a plan gives beside prices: features, and how much of them. What is being written before it
-- can be bought: drafts. What is not sold any more: archived.
CREATE TABLE catalog.features
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    slug text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('metered', 'boolean', 'static')),
    meter_id uuid,
    archived_at timestamptz,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, slug),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, meter_id) REFERENCES catalog.meters (tenant_id, id),
    CHECK ((kind = 'metered') = (meter_id IS NOT NULL)),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE TABLE catalog.features_history (LIKE catalog.features);
CREATE INDEX features_history_by_id ON catalog.features_history (id);
CREATE TRIGGER features_keep_history BEFORE UPDATE ON catalog.features
FOR EACH ROW EXECUTE FUNCTION bitemporal.keep_history();
CREATE TRIGGER features_stay BEFORE DELETE ON catalog.features
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

ALTER TABLE catalog.pricing_plans
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN public boolean NOT NULL DEFAULT false,
    ADD COLUMN archived_at timestamptz;
ALTER TABLE catalog.pricing_plans_history
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN public boolean NOT NULL DEFAULT false,
    ADD COLUMN archived_at timestamptz;

-- One version of a plan is sold at a time; those before it are archived, and go on for those who
-- bought them.
ALTER TABLE catalog.plan_versions ADD COLUMN archived_at timestamptz;
DROP TRIGGER plan_versions_are_final ON catalog.plan_versions;
ALTER TABLE catalog.plan_versions NO FORCE ROW LEVEL SECURITY;
UPDATE catalog.plan_versions AS version
SET archived_at = next.recorded_from
FROM catalog.plan_versions AS next
WHERE next.plan_id = version.plan_id AND next.number = version.number + 1;
ALTER TABLE catalog.plan_versions FORCE ROW LEVEL SECURITY;
CREATE UNIQUE INDEX plan_versions_sold ON catalog.plan_versions (plan_id) WHERE archived_at IS NULL;
CREATE TRIGGER plan_versions_are_final BEFORE DELETE OR UPDATE OF
    id, tenant_id, plan_id, number, currency, content_hash, valid_from, valid_to, recorded_from,
    recorded_to, metadata
ON catalog.plan_versions FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();
CREATE TRIGGER plan_versions_stay_archived BEFORE UPDATE OF archived_at
ON catalog.plan_versions FOR EACH ROW WHEN (OLD.archived_at IS NOT NULL)
EXECUTE FUNCTION bitemporal.refuse_change();

-- Checked when it is written, and once more when it is activated: what it names may be gone by then.
-- Then document is null, and revision goes on: whoever read an older one is told so.
CREATE TABLE catalog.plan_drafts
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    plan_id uuid NOT NULL,
    document jsonb,
    revision integer NOT NULL CHECK (revision > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, plan_id),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES catalog.pricing_plans (tenant_id, id)
);

-- What a plan version gives of a feature: a metered one up to a quantity in each period of reset
-- (null: without end), a boolean one yes, a static one a text.
CREATE TABLE catalog.plan_entitlements
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    plan_version_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    limit_quantity numeric(38, 12) CHECK (limit_quantity >= 0),
    hard boolean NOT NULL DEFAULT false,
    reset text,
    value text,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (plan_version_id, feature_id),
    FOREIGN KEY (tenant_id, plan_version_id) REFERENCES catalog.plan_versions (tenant_id, id),
    FOREIGN KEY (tenant_id, feature_id) REFERENCES catalog.features (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE TRIGGER plan_entitlements_are_final BEFORE UPDATE OR DELETE ON catalog.plan_entitlements
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

DO $$
DECLARE
    made text;
BEGIN
    FOREACH made IN ARRAY ARRAY['features', 'features_history', 'plan_drafts', 'plan_entitlements'] LOOP
        CALL tenancy.protect(format('catalog.%I', made)::regclass);
        EXECUTE format('GRANT SELECT ON catalog.%I TO tollbook_billing', made);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON catalog.%I TO tollbook_api, tollbook_operator', made);
    END LOOP;
END
$$;
