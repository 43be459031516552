-- Who pays (customers), for whose usage (subjects), and for what (subscriptions).
CREATE SCHEMA subscriptions;

CREATE TABLE subscriptions.customers
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    slug text NOT NULL,
    name text NOT NULL,
    user_id uuid,
    stripe_customer_id text,
    billing_info jsonb NOT NULL DEFAULT '{}',
    time_zone text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, slug),
    UNIQUE (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
COMMENT ON COLUMN subscriptions.customers.user_id IS 'The platform''s user behind this customer, if it is a person';
CREATE TABLE subscriptions.customers_history (LIKE subscriptions.customers);
CREATE INDEX customers_history_by_id ON subscriptions.customers_history (id);
CREATE TRIGGER customers_keep_history BEFORE UPDATE ON subscriptions.customers
FOR EACH ROW EXECUTE FUNCTION bitemporal.keep_history();
CREATE TRIGGER customers_stay BEFORE DELETE ON subscriptions.customers
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

-- A subject at an instant, ordered so that the instants of one subject lie side by side: a range of
-- them is a stretch of one subject's time, and stretches of two subjects never overlap. spread, a
-- hash, comes first because the index can only weigh numbers against each other.
CREATE TYPE subscriptions.subject_instant AS
(
    spread bigint,
    tenant_id uuid,
    subject text,
    at timestamptz
);
CREATE FUNCTION subscriptions.subject_distance(
    a subscriptions.subject_instant, b subscriptions.subject_instant
) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT (a).spread::float8 - (b).spread::float8 $$;
CREATE TYPE subscriptions.subject_range AS RANGE
(
    SUBTYPE = subscriptions.subject_instant,
    SUBTYPE_DIFF = subscriptions.subject_distance
);

-- Whose usage a customer pays for, and when: at any instant a subject has at most one customer.
CREATE TABLE subscriptions.subjects
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    customer_id uuid NOT NULL,
    subject text NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 256),
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to),
    CONSTRAINT subjects_have_one_customer EXCLUDE USING gist
    (
        subscriptions.subject_range(
            ROW (hashtextextended(subject, 0), tenant_id, subject, valid_from)::subscriptions.subject_instant,
            ROW (hashtextextended(subject, 0), tenant_id, subject, valid_to)::subscriptions.subject_instant
        ) WITH &&
    ) WHERE (recorded_to = 'infinity')
);
CREATE INDEX subjects_by_customer ON subscriptions.subjects (tenant_id, customer_id, subject);
CREATE INDEX subjects_by_subject ON subscriptions.subjects (tenant_id, subject);

-- period_start and period_end are the earliest period that is not invoiced yet: billing a period
-- moves them on. anchor_at is where the periods step from, for ever.
CREATE TABLE subscriptions.subscriptions
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    slug text NOT NULL,
    customer_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    plan_version_id uuid NOT NULL,
    stripe_subscription_id text,
    status text NOT NULL CHECK (status IN (
        'FREE', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'GRACE_PERIOD', 'CANCELED', 'EXPIRED'
    )),
    billing_cycle text NOT NULL CHECK (billing_cycle IN ('monthly')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    time_zone text NOT NULL,
    anchor_at timestamptz NOT NULL,
    ended_at timestamptz,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    billed_until timestamptz,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, slug),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES subscriptions.customers (tenant_id, id),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES catalog.pricing_plans (tenant_id, id),
    FOREIGN KEY (tenant_id, plan_version_id) REFERENCES catalog.plan_versions (tenant_id, id),
    CHECK (anchor_at <= period_start AND period_start < period_end AND anchor_at < ended_at),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE INDEX subscriptions_by_customer ON subscriptions.subscriptions (tenant_id, customer_id, id);
CREATE INDEX subscriptions_by_period_end ON subscriptions.subscriptions (period_end);
CREATE TABLE subscriptions.subscriptions_history (LIKE subscriptions.subscriptions);
CREATE INDEX subscriptions_history_by_id ON subscriptions.subscriptions_history (id);
-- Billing progress (billed_until, period_start, period_end) is bookkeeping, not knowledge.
CREATE TRIGGER subscriptions_keep_history BEFORE UPDATE OF
    slug, customer_id, plan_id, plan_version_id, stripe_subscription_id, status, billing_cycle,
    currency, time_zone, anchor_at, ended_at, valid_from, valid_to, recorded_from, recorded_to, metadata
ON subscriptions.subscriptions FOR EACH ROW EXECUTE FUNCTION bitemporal.keep_history();
CREATE TRIGGER subscriptions_stay BEFORE DELETE ON subscriptions.subscriptions
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();
