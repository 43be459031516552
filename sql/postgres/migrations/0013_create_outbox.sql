-- Every change of what is kept here, written down in the transaction that makes it: neither is ever
-- there without the other. A tenant's events have positions 1, 2, 3, … in the order of their commits,
-- so whoever has read up to n misses nothing before it.
CREATE SCHEMA outbox;

CREATE TABLE outbox.positions
(
    tenant_id uuid PRIMARY KEY REFERENCES identity.tenants (id),
    last_position bigint NOT NULL CHECK (last_position > 0)
);

-- subject: what happened, such as subscription.created; version: of the payload's form; resource_id:
-- to what, as it is shown outside. position is null until the commit. slot: which of 16 stretches of
-- four weeks, taken in turns: old events go by emptying a whole one.
CREATE TABLE outbox.billing_events
(
    id uuid NOT NULL,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
    position bigint CHECK (position > 0),
    ordinal bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    subject text NOT NULL CHECK (subject ~ '^[a-z_]+(\.[a-z_]+)+$'),
    version integer NOT NULL CHECK (version > 0),
    resource_id text NOT NULL,
    payload jsonb NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    created_at timestamptz NOT NULL,
    slot smallint NOT NULL,
    PRIMARY KEY (slot, id)
) PARTITION BY LIST (slot);
CREATE INDEX billing_events_by_position ON outbox.billing_events (tenant_id, position);

DO $$
DECLARE
    part text;
BEGIN
    FOR number IN 0..15 LOOP
        part := format('billing_events_%s', lpad(number::text, 2, '0'));
        EXECUTE format(
            'CREATE TABLE outbox.%I PARTITION OF outbox.billing_events FOR VALUES IN (%s)', part, number
        );
        CALL tenancy.protect(format('outbox.%I', part)::regclass);
        -- Read by itself a stretch shows its age, which is nobody's secret; operators alone may.
        EXECUTE format('CREATE POLICY pruning_of_all ON outbox.%I FOR SELECT TO tollbook_operator USING (true)', part);
        EXECUTE format('GRANT SELECT (created_at), TRUNCATE ON outbox.%I TO tollbook_operator', part);
    END LOOP;
    CALL tenancy.protect('outbox.billing_events');
    CALL tenancy.protect('outbox.positions');
END
$$;

-- Runs at commit, after all that the transaction does: the tenant's row is locked for no longer than
-- the commit takes, and whoever gets a later number commits later. The first row numbers them all.
CREATE FUNCTION outbox.number_events() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
    many bigint;
    last bigint;
BEGIN
    IF (SELECT position FROM outbox.billing_events WHERE slot = NEW.slot AND id = NEW.id) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO many
    FROM outbox.billing_events WHERE tenant_id = NEW.tenant_id AND position IS NULL;
    INSERT INTO outbox.positions AS known (tenant_id, last_position) VALUES (NEW.tenant_id, many)
    ON CONFLICT (tenant_id) DO UPDATE SET last_position = known.last_position + excluded.last_position
    RETURNING last_position INTO last;
    UPDATE outbox.billing_events AS event
    SET position = last - many + mine.rank
    FROM (
        SELECT slot, id, row_number() OVER (ORDER BY ordinal) AS rank
        FROM outbox.billing_events WHERE tenant_id = NEW.tenant_id AND position IS NULL
    ) AS mine
    WHERE event.slot = mine.slot AND event.id = mine.id;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER billing_events_are_numbered AFTER INSERT ON outbox.billing_events
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outbox.number_events();

CREATE FUNCTION outbox.keep_numbered() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.position IS NOT NULL
        OR to_jsonb(NEW) - 'position' <> to_jsonb(OLD) - 'position' THEN
        RAISE EXCEPTION 'event %: what happened is never changed', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER billing_events_are_final BEFORE UPDATE OR DELETE ON outbox.billing_events
FOR EACH ROW EXECUTE FUNCTION outbox.keep_numbered();

-- Empties every stretch whose events are all older, and names it.
CREATE FUNCTION outbox.prune(before timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
    part text;
    newest timestamptz;
BEGIN
    FOR number IN 0..15 LOOP
        part := format('billing_events_%s', lpad(number::text, 2, '0'));
        EXECUTE format('SELECT max(created_at) FROM outbox.%I', part) INTO newest;
        IF newest < before THEN
            EXECUTE format('TRUNCATE outbox.%I', part);
            RETURN NEXT part;
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA outbox TO tollbook_api, tollbook_billing, tollbook_operator;
GRANT SELECT, INSERT, UPDATE (position) ON outbox.billing_events
TO tollbook_api, tollbook_billing, tollbook_operator;
GRANT SELECT, INSERT, UPDATE ON outbox.positions TO tollbook_api, tollbook_billing, tollbook_operator;
