-- What did we know at T1 about T2? A bitemporal table <t> holds the latest knowledge about the latest
-- valid range of each thing; <t>_history holds every other row: superseded knowledge (recorded_to is
-- finite) and earlier valid ranges that still hold (recorded_to is infinity). Both together are the
-- whole truth; <t> alone keeps foreign keys and everyday reads simple.
CREATE SCHEMA bitemporal;

-- BEFORE UPDATE on <t>: keep the row as it was known, and the part of it that stays true.
CREATE FUNCTION bitemporal.keep_history() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
    history text := format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME || '_history');
    keep text := format('INSERT INTO %s SELECT (jsonb_populate_record(NULL::%s, $1)).*', history, history);
BEGIN
    IF NEW.recorded_from <= OLD.recorded_from OR NEW.valid_from < OLD.valid_from THEN
        RAISE EXCEPTION '%.% %: a change needs a later recorded_from and no earlier valid_from',
            TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    EXECUTE keep USING to_jsonb(OLD) || jsonb_build_object('recorded_to', NEW.recorded_from);
    IF NEW.valid_from > OLD.valid_from THEN
        EXECUTE keep USING to_jsonb(OLD)
            || jsonb_build_object('recorded_from', NEW.recorded_from)
            || jsonb_build_object('valid_to', least(NEW.valid_from, OLD.valid_to));
    END IF;
    RETURN NEW;
END
$$;

-- BEFORE UPDATE OR DELETE on what is final once written.
CREATE FUNCTION bitemporal.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION '%.% %: rows are never changed or deleted', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
