-- What can be measured (meters) and sold (plans, their versions, rate cards and prices).
CREATE SCHEMA catalog;

-- One row: the version that the newest meter got. The row lock makes versions gapless and puts
-- commits in their order: whoever sees version n sees 1..n.
CREATE TABLE catalog.catalog_version
(
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL
);
INSERT INTO catalog.catalog_version (version) VALUES (0);

CREATE TABLE catalog.meters
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    slug text NOT NULL,
    name text NOT NULL,
    event_type text NOT NULL,
    aggregation text NOT NULL CHECK (aggregation IN ('count', 'sum')),
    value_path text[] CHECK (cardinality(value_path) > 0),
    catalog_version integer NOT NULL UNIQUE CHECK (catalog_version BETWEEN 1 AND 16777215),
    archived_at timestamptz,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, slug),
    UNIQUE (tenant_id, id),
    CHECK ((aggregation = 'count') = (value_path IS NULL)),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
-- A meter is immutable: only its archive label and its metadata may change.
CREATE TRIGGER meters_are_final BEFORE DELETE OR UPDATE OF
    id, tenant_id, slug, name, event_type, aggregation, value_path, catalog_version,
    valid_from, valid_to, recorded_from, recorded_to
ON catalog.meters FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

CREATE TABLE catalog.pricing_plans
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    slug text NOT NULL,
    name text NOT NULL,
    prices jsonb NOT NULL DEFAULT '{}',
    limits jsonb NOT NULL DEFAULT '{}',
    stripe_ids jsonb NOT NULL DEFAULT '{}',
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, slug),
    UNIQUE (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
COMMENT ON COLUMN catalog.pricing_plans.prices IS
    'The advertised flat amounts by cycle, {"monthly": {"amount", "currency"}, "annual": …}; what is billed stands in the rate cards';
CREATE TABLE catalog.pricing_plans_history (LIKE catalog.pricing_plans);
CREATE INDEX pricing_plans_history_by_id ON catalog.pricing_plans_history (id);
CREATE TRIGGER pricing_plans_keep_history BEFORE UPDATE ON catalog.pricing_plans
FOR EACH ROW EXECUTE FUNCTION bitemporal.keep_history();
CREATE TRIGGER pricing_plans_stay BEFORE DELETE ON catalog.pricing_plans
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

-- What a subscription buys. Final once written; another price makes another version.
CREATE TABLE catalog.plan_versions
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    plan_id uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    content_hash text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (plan_id, number),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES catalog.pricing_plans (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE TRIGGER plan_versions_are_final BEFORE UPDATE OR DELETE ON catalog.plan_versions
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

-- parameters: every number is exact decimal text. version counts the prices that one line of a plan
-- has had.
CREATE TABLE catalog.prices
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    model text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    parameters jsonb NOT NULL,
    rounding text NOT NULL,
    content_hash text NOT NULL CHECK (content_hash ~ '^[0-9a-f]{64}$'),
    version integer NOT NULL CHECK (version > 0),
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE TRIGGER prices_are_final BEFORE UPDATE OR DELETE ON catalog.prices
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

-- One line of a plan version: which meter (none for a flat fee) at which price. key is the line's
-- name for ever, across versions.
CREATE TABLE catalog.rate_cards
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    plan_version_id uuid NOT NULL,
    position integer NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    meter_id uuid,
    price_id uuid NOT NULL,
    cadence text NOT NULL CHECK (cadence IN ('monthly')),
    timing text NOT NULL CHECK (timing IN ('in_arrears')),
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (plan_version_id, key),
    UNIQUE (plan_version_id, position),
    UNIQUE (plan_version_id, meter_id),
    FOREIGN KEY (tenant_id, plan_version_id) REFERENCES catalog.plan_versions (tenant_id, id),
    FOREIGN KEY (tenant_id, meter_id) REFERENCES catalog.meters (tenant_id, id),
    FOREIGN KEY (tenant_id, price_id) REFERENCES catalog.prices (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE TRIGGER rate_cards_are_final BEFORE UPDATE OR DELETE ON catalog.rate_cards
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();
