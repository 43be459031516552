-- A meter's definition is one document; its types stand beside it to be searched. Name, unit and
-- metadata are labels: they may change, and every change counts in label_version.
ALTER TABLE catalog.meters
    ADD COLUMN event_types text[],
    ADD COLUMN definition jsonb,
    ADD COLUMN unit text NOT NULL DEFAULT '',
    ADD COLUMN label_version integer NOT NULL DEFAULT 0;

UPDATE catalog.meters
SET event_types = ARRAY[event_type],
    definition = jsonb_strip_nulls(
        jsonb_build_object(
            'event_types', jsonb_build_array(event_type),
            'aggregation', aggregation,
            'value', (
                SELECT string_agg(
                    CASE WHEN step ~ '^[A-Za-z_][A-Za-z0-9_]*$' THEN step ELSE to_json(step)::text END,
                    '.' ORDER BY place
                )
                FROM unnest(value_path) WITH ORDINALITY AS steps (step, place)
            )
        )
    );

DROP TRIGGER meters_are_final ON catalog.meters;
ALTER TABLE catalog.meters
    ALTER COLUMN event_types SET NOT NULL,
    ALTER COLUMN definition SET NOT NULL,
    ADD CHECK (cardinality(event_types) BETWEEN 1 AND 16),
    DROP COLUMN event_type,
    DROP COLUMN aggregation,
    DROP COLUMN value_path;

CREATE TRIGGER meters_are_final BEFORE DELETE OR UPDATE OF
    id, tenant_id, slug, event_types, definition, catalog_version,
    valid_from, valid_to, recorded_from, recorded_to
ON catalog.meters FOR EACH ROW EXECUTE FUNCTION bitemporal.refuse_change();
