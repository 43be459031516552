-- How a subscription stands, what is planned for it, and what became of it.
ALTER TABLE subscriptions.subscriptions
    DROP CONSTRAINT subscriptions_check,
    ADD COLUMN start_at timestamptz,
    ADD COLUMN activation text NOT NULL DEFAULT 'start' CHECK (activation IN ('start', 'payment')),
    ADD COLUMN quantities jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN addons jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN subjects text[] CHECK (cardinality(subjects) BETWEEN 1 AND 1000),
    ADD COLUMN trial_ends_at timestamptz,
    ADD COLUMN trial_converts boolean NOT NULL DEFAULT true,
    ADD COLUMN cancel_at timestamptz,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN over_at timestamptz,
    ADD COLUMN failed_payments integer NOT NULL DEFAULT 0,
    ADD COLUMN retry_at timestamptz,
    ADD COLUMN grace_ends_at timestamptz,
    ADD COLUMN next_step_at timestamptz,
    ADD COLUMN revision integer NOT NULL DEFAULT 1 CHECK (revision > 0);
ALTER TABLE subscriptions.subscriptions_history
    ADD COLUMN start_at timestamptz,
    ADD COLUMN activation text,
    ADD COLUMN quantities jsonb,
    ADD COLUMN addons jsonb,
    ADD COLUMN subjects text[],
    ADD COLUMN trial_ends_at timestamptz,
    ADD COLUMN trial_converts boolean,
    ADD COLUMN cancel_at timestamptz,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN over_at timestamptz,
    ADD COLUMN failed_payments integer,
    ADD COLUMN retry_at timestamptz,
    ADD COLUMN grace_ends_at timestamptz,
    ADD COLUMN next_step_at timestamptz,
    ADD COLUMN revision integer;
COMMENT ON COLUMN subscriptions.subscriptions.ended_at IS
    'When nothing more is billed: the earliest of over_at, cancel_at and expires_at; planned or past';
COMMENT ON COLUMN subscriptions.subscriptions.over_at IS 'When it was canceled or expired';
COMMENT ON COLUMN subscriptions.subscriptions.subjects IS
    'Whose usage it bills; null: that of all subjects of its customer';
COMMENT ON COLUMN subscriptions.subscriptions.next_step_at IS
    'When something comes by itself: the start, the end of a trial, a pause, a grace period, or all';

COMMENT ON COLUMN subscriptions.subscriptions.addons IS 'How many of which add-on, by plan version';

-- Add-ons are plans that are bought beside another one, each so many times.
ALTER TABLE catalog.pricing_plans
    ADD COLUMN kind text NOT NULL DEFAULT 'plan' CHECK (kind IN ('plan', 'addon'));
ALTER TABLE catalog.pricing_plans_history ADD COLUMN kind text NOT NULL DEFAULT 'plan';

-- What is planned, and what was: no two rows of one subscription that are known overlap; a hole is a
-- time in which the subscription was over.
CREATE TABLE subscriptions.subscription_terms
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    subscription_id uuid NOT NULL,
    plan_version_id uuid NOT NULL,
    quantities jsonb NOT NULL DEFAULT '{}',
    addons jsonb NOT NULL DEFAULT '{}',
    trial boolean NOT NULL DEFAULT false,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions.subscriptions (tenant_id, id),
    FOREIGN KEY (tenant_id, plan_version_id) REFERENCES catalog.plan_versions (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE UNIQUE INDEX subscription_terms_known
ON subscriptions.subscription_terms (subscription_id, valid_from) WHERE recorded_to = 'infinity';
CREATE INDEX subscription_terms_by_subscription
ON subscriptions.subscription_terms (subscription_id, recorded_from);

-- Times in which nothing is billed, or nothing served; they lie over the terms.
CREATE TABLE subscriptions.subscription_pauses
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    subscription_id uuid NOT NULL,
    billing boolean NOT NULL,
    service boolean NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions.subscriptions (tenant_id, id),
    CHECK (billing OR service),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE UNIQUE INDEX subscription_pauses_known
ON subscriptions.subscription_pauses (subscription_id, valid_from) WHERE recorded_to = 'infinity';

-- Known no longer is all that may become of terms and pauses.
CREATE FUNCTION subscriptions.only_supersede() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.recorded_to <> 'infinity'
        OR to_jsonb(NEW) - 'recorded_to' <> to_jsonb(OLD) - 'recorded_to' THEN
        RAISE EXCEPTION '%.% %: what was known is never changed', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER subscription_terms_stay BEFORE UPDATE OR DELETE ON subscriptions.subscription_terms
FOR EACH ROW EXECUTE FUNCTION subscriptions.only_supersede();
CREATE TRIGGER subscription_pauses_stay BEFORE UPDATE OR DELETE ON subscriptions.subscription_pauses
FOR EACH ROW EXECUTE FUNCTION subscriptions.only_supersede();

-- Who changed what, when, and how it stood before and after.
CREATE TABLE subscriptions.subscription_changes
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    subscription_id uuid NOT NULL,
    revision integer NOT NULL,
    change text NOT NULL,
    before jsonb,
    after jsonb NOT NULL,
    actor text NOT NULL,
    correlation_id text NOT NULL,
    effective_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (subscription_id, revision),
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions.subscriptions (tenant_id, id)
);
CREATE TRIGGER subscription_changes_are_final BEFORE UPDATE OR DELETE
ON subscriptions.subscription_changes FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

ALTER TABLE subscriptions.subscriptions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE subscriptions.subscriptions DISABLE TRIGGER subscriptions_keep_history;
UPDATE subscriptions.subscriptions SET start_at = anchor_at, over_at = ended_at;
INSERT INTO subscriptions.subscription_terms
    (id, tenant_id, subscription_id, plan_version_id, valid_from, valid_to, recorded_from)
SELECT id, tenant_id, id, plan_version_id, start_at, coalesce(ended_at, 'infinity'), recorded_from
FROM subscriptions.subscriptions;
ALTER TABLE subscriptions.subscriptions ENABLE TRIGGER subscriptions_keep_history;
ALTER TABLE subscriptions.subscriptions FORCE ROW LEVEL SECURITY;

DROP TRIGGER subscriptions_keep_history ON subscriptions.subscriptions;
CREATE TRIGGER subscriptions_keep_history BEFORE UPDATE OF
    slug, customer_id, plan_id, plan_version_id, stripe_subscription_id, status, billing_cycle, currency,
    time_zone, anchor_at, ended_at, start_at, activation, quantities, addons, subjects, trial_ends_at,
    trial_converts, cancel_at, expires_at, over_at, failed_payments, retry_at, grace_ends_at,
    next_step_at, revision, valid_from, valid_to, recorded_from, recorded_to, metadata
ON subscriptions.subscriptions FOR EACH ROW EXECUTE FUNCTION bitemporal.keep_history();
ALTER TABLE subscriptions.subscriptions
    ALTER COLUMN start_at SET NOT NULL,
    ADD CHECK (period_start < period_end);
CREATE INDEX subscriptions_by_step ON subscriptions.subscriptions (tenant_id, next_step_at, id)
WHERE next_step_at IS NOT NULL;
CREATE INDEX subscriptions_by_status ON subscriptions.subscriptions (tenant_id, status, slug);

DO $$
DECLARE
    made text;
BEGIN
    FOREACH made IN ARRAY ARRAY['subscription_terms', 'subscription_pauses', 'subscription_changes'] LOOP
        CALL tenancy.protect(format('subscriptions.%I', made)::regclass);
        EXECUTE format('GRANT SELECT ON subscriptions.%I TO tollbook_billing', made);
        EXECUTE format('GRANT SELECT, INSERT ON subscriptions.%I TO tollbook_api, tollbook_operator', made);
    END LOOP;
END
$$;
GRANT UPDATE (recorded_to) ON subscriptions.subscription_terms, subscriptions.subscription_pauses
TO tollbook_api, tollbook_operator;
CREATE INDEX subscriptions_by_plan ON subscriptions.subscriptions (tenant_id, plan_id, id)
WHERE status NOT IN ('CANCELED', 'EXPIRED');
