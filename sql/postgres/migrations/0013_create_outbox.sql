-- Every change of what is kept here, written down in the transaction that makes it: neither is ever
-- there without the other. A tenant's events have positions 1, 2, 3, … in the order of their commits,
-- so whoever has read up to n misses nothing before it.
CREATE SCHEMA outbox;

-- pruned_position: up to here events are gone, or will be.
CREATE TABLE outbox.positions
(
    tenant_id uuid PRIMARY KEY REFERENCES identity.tenants (id),
    last_position bigint NOT NULL CHECK (last_position > 0),
    pruned_position bigint NOT NULL DEFAULT 0 CHECK (pruned_position BETWEEN 0 AND last_position)
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
CREATE INDEX billing_events_by_age ON outbox.billing_events (created_at);

CREATE FUNCTION outbox.stretch(slot integer) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT format('billing_events_%s', lpad(slot::text, 2, '0')) $$;

DO $$
DECLARE
    part text;
BEGIN
    FOR number IN 0..15 LOOP
        part := outbox.stretch(number);
        EXECUTE format(
            'CREATE TABLE outbox.%I PARTITION OF outbox.billing_events FOR VALUES IN (%s)', part, number
        );
        CALL tenancy.protect(format('outbox.%I', part)::regclass);
        -- Who acts for nobody sees how old a stretch is, and how far it goes.
        EXECUTE format('CREATE POLICY pruning_of_all ON outbox.%I FOR SELECT TO tollbook_operator'
            ' USING ((SELECT tenancy.tenant_id()) IS NULL)', part);
        EXECUTE format(
            'GRANT SELECT (tenant_id, position, created_at), TRUNCATE ON outbox.%I TO tollbook_operator', part
        );
        EXECUTE format(
            'GRANT SELECT (slot, id, tenant_id, position, ordinal), UPDATE (position) ON outbox.%I'
            ' TO tollbook_api, tollbook_billing, tollbook_operator', part
        );
    END LOOP;
    CALL tenancy.protect('outbox.billing_events');
    CALL tenancy.protect('outbox.positions');
END
$$;
CREATE POLICY pruning_of_all ON outbox.positions TO tollbook_operator
USING ((SELECT tenancy.tenant_id()) IS NULL) WITH CHECK ((SELECT tenancy.tenant_id()) IS NULL);

-- Runs at commit, after all that the transaction does: the tenant's row is locked for no longer than
-- the commit takes, and whoever gets a later number commits later. The first row of a stretch numbers
-- all that the transaction wrote there; the setting spares the others the work.
CREATE FUNCTION outbox.number_events() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
    done text := coalesce(current_setting('tollbook.numbered', true), '');
    mark text := ' ' || NEW.tenant_id || '/' || NEW.slot || ' ';
    part text := outbox.stretch(NEW.slot);
    many bigint;
    last bigint;
BEGIN
    IF strpos(done, mark) > 0 THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT count(*) FROM outbox.%I WHERE tenant_id = $1 AND position IS NULL', part)
    INTO many USING NEW.tenant_id;
    IF many > 0 THEN
        INSERT INTO outbox.positions AS known (tenant_id, last_position) VALUES (NEW.tenant_id, many)
        ON CONFLICT (tenant_id) DO UPDATE SET last_position = known.last_position + excluded.last_position
        RETURNING last_position INTO last;
        EXECUTE format(
            'UPDATE outbox.%1$I AS event SET position = $2 + mine.rank FROM ('
            ' SELECT slot, id, row_number() OVER (ORDER BY ordinal) AS rank'
            ' FROM outbox.%1$I WHERE tenant_id = $1 AND position IS NULL'
            ') AS mine WHERE event.slot = mine.slot AND event.id = mine.id',
            part
        ) USING NEW.tenant_id, last - many;
    END IF;
    PERFORM set_config('tollbook.numbered', done || mark, true);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER billing_events_are_numbered AFTER INSERT ON outbox.billing_events
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outbox.number_events();

-- What comes after a numbering is numbered, too.
CREATE FUNCTION outbox.expect_numbering() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    PERFORM set_config('tollbook.numbered', '', true);
    RETURN NULL;
END
$$;
CREATE TRIGGER billing_events_come BEFORE INSERT ON outbox.billing_events
FOR EACH STATEMENT EXECUTE FUNCTION outbox.expect_numbering();

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

-- Empties a stretch whose events are all older, and says whether it did. Its readers and writers are
-- waited for, and none comes in between; what other stretches hold before its last event counts as
-- gone for each tenant, so that nobody reads past a hole.
CREATE FUNCTION outbox.prune(stretch_slot integer, before timestamptz) RETURNS boolean LANGUAGE plpgsql AS
$$
DECLARE
    part text := outbox.stretch(stretch_slot);
    newest timestamptz;
BEGIN
    EXECUTE format('SELECT max(created_at) FROM outbox.%I', part) INTO newest;
    IF newest IS NULL OR newest >= before THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE outbox.%I IN ACCESS EXCLUSIVE MODE', part);
    EXECUTE format('SELECT max(created_at) FROM outbox.%I', part) INTO newest;
    IF newest IS NULL OR newest >= before THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'UPDATE outbox.positions AS known SET pruned_position = greatest(pruned_position, found.last)'
        ' FROM (SELECT tenant_id, (SELECT max(position) FROM outbox.%I AS event'
        ' WHERE event.tenant_id = each.tenant_id) AS last FROM outbox.positions AS each) AS found'
        ' WHERE known.tenant_id = found.tenant_id AND found.last > known.pruned_position',
        part
    );
    EXECUTE format('TRUNCATE outbox.%I', part);
    RETURN true;
END
$$;

GRANT USAGE ON SCHEMA outbox TO tollbook_api, tollbook_billing, tollbook_operator;
GRANT SELECT, UPDATE (position) ON outbox.billing_events
TO tollbook_api, tollbook_billing, tollbook_operator;
GRANT INSERT (
    id, tenant_id, subject, version, resource_id, payload, actor, correlation_id, causation_id, created_at, slot
) ON outbox.billing_events TO tollbook_api, tollbook_billing, tollbook_operator;
GRANT SELECT, INSERT, UPDATE (last_position) ON outbox.positions
TO tollbook_api, tollbook_billing, tollbook_operator;
GRANT UPDATE (pruned_position) ON outbox.positions TO tollbook_operator;
