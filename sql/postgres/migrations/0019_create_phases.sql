-- Prices that a line has beside that of its rate card: in other currencies, and in phases, which
-- stand at the start of a subscription, one after the other.
ALTER TABLE catalog.rate_cards ADD UNIQUE (tenant_id, id);

-- lasts: how long, as P3M; null: for ever, so of the last one only. A trial waives what is due
-- whatever is used, and the usage of free_meters. quantities: units that are agreed in the phase
-- where a subscription says no other number, by key of the line.
CREATE TABLE catalog.plan_phases
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    plan_version_id uuid NOT NULL,
    position integer NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    lasts text,
    trial boolean NOT NULL,
    free_meters uuid[] NOT NULL DEFAULT '{}',
    quantities jsonb NOT NULL DEFAULT '{}',
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, id),
    UNIQUE (plan_version_id, key),
    UNIQUE (plan_version_id, position),
    FOREIGN KEY (tenant_id, plan_version_id) REFERENCES catalog.plan_versions (tenant_id, id),
    CHECK (lasts IS NOT NULL OR NOT trial),
    CHECK (trial OR free_meters = '{}'),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE TRIGGER plan_phases_are_final BEFORE UPDATE OR DELETE ON catalog.plan_phases
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

-- phase_id null: in another currency than that of the plan, in every phase that says no other price.
CREATE TABLE catalog.rate_card_prices
(
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    rate_card_id uuid NOT NULL,
    phase_id uuid,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    price_id uuid NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL DEFAULT 'infinity',
    metadata jsonb NOT NULL DEFAULT '{}',
    UNIQUE NULLS NOT DISTINCT (rate_card_id, phase_id, currency),
    FOREIGN KEY (tenant_id, rate_card_id) REFERENCES catalog.rate_cards (tenant_id, id),
    FOREIGN KEY (tenant_id, phase_id) REFERENCES catalog.plan_phases (tenant_id, id),
    FOREIGN KEY (tenant_id, price_id) REFERENCES catalog.prices (tenant_id, id),
    CHECK (valid_from < valid_to AND recorded_from < recorded_to)
);
CREATE TRIGGER rate_card_prices_are_final BEFORE UPDATE OR DELETE ON catalog.rate_card_prices
FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();

DO $$
DECLARE
    made text;
BEGIN
    FOREACH made IN ARRAY ARRAY['plan_phases', 'rate_card_prices'] LOOP
        CALL tenancy.protect(format('catalog.%I', made)::regclass);
        EXECUTE format('GRANT SELECT ON catalog.%I TO tollbook_billing', made);
        EXECUTE format('GRANT SELECT, INSERT ON catalog.%I TO tollbook_api, tollbook_operator', made);
    END LOOP;
END
$$;

-- phase: the key of the one that the terms are in, and the one whose price a line has.
ALTER TABLE subscriptions.subscription_terms ADD COLUMN phase text;
ALTER TABLE invoicing.invoice_lines ADD COLUMN phase text;
