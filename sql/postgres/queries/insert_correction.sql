INSERT INTO corrections.operations
(
    id, tenant_id, name, state, spans, period_start, period_end, cut, file_sha256, file_events,
    created_at
)
VALUES
(
    %(id)s, %(tenant_id)s, %(name)s, 'applying', %(spans)s, %(period_start)s, %(period_end)s, %(cut)s,
    %(file_sha256)s, %(file_events)s, %(now)s
)
