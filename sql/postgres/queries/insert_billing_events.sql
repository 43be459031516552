-- slot: 16 stretches of four weeks, in turns.
INSERT INTO outbox.billing_events (
    id, tenant_id, subject, version, resource_id, payload, actor, correlation_id, causation_id, created_at, slot
)
SELECT
    change.id, %(tenant_id)s, change.subject, change.version, change.resource_id, change.payload,
    coalesce(nullif(current_setting('tollbook.actor', true), ''), 'system'),
    coalesce(current_setting('tollbook.correlation_id', true), ''),
    coalesce(current_setting('tollbook.causation_id', true), ''),
    %(now)s,
    mod(extract(epoch FROM %(now)s::timestamptz)::bigint / 2419200, 16)
FROM unnest(
    %(ids)s::uuid[], %(subjects)s::text[], %(versions)s::integer[], %(resource_ids)s::text[],
    %(payloads)s::jsonb[]
) WITH ORDINALITY AS change (id, subject, version, resource_id, payload, place)
ORDER BY change.place
