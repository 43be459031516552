-- How fast a key, and all keys of a tenant together, may send: null is the server's default. A key
-- may end at an instant, which is how one is replaced by another while both are in use.
-- change_count counts what may change in a row after it was made: its sum only ever grows.
ALTER TABLE identity.tenants
    ADD COLUMN events_per_second bigint,
    ADD COLUMN events_burst bigint,
    ADD COLUMN bytes_per_second bigint,
    ADD COLUMN bytes_burst bigint,
    ADD COLUMN change_count integer NOT NULL DEFAULT 0,
    ADD CHECK ((events_per_second IS NULL) = (events_burst IS NULL)),
    ADD CHECK ((bytes_per_second IS NULL) = (bytes_burst IS NULL)),
    ADD CHECK (least(events_per_second, events_burst, bytes_per_second, bytes_burst) > 0),
    ADD CHECK (
        greatest(events_per_second, events_burst, bytes_per_second, bytes_burst) <= 9000000000
    );

ALTER TABLE identity.api_keys
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN replaced_by uuid REFERENCES identity.api_keys (id),
    ADD COLUMN events_per_second bigint,
    ADD COLUMN events_burst bigint,
    ADD COLUMN bytes_per_second bigint,
    ADD COLUMN bytes_burst bigint,
    ADD COLUMN change_count integer NOT NULL DEFAULT 0,
    ADD CHECK ((events_per_second IS NULL) = (events_burst IS NULL)),
    ADD CHECK ((bytes_per_second IS NULL) = (bytes_burst IS NULL)),
    ADD CHECK (least(events_per_second, events_burst, bytes_per_second, bytes_burst) > 0),
    ADD CHECK (
        greatest(events_per_second, events_burst, bytes_per_second, bytes_burst) <= 9000000000
    );
