SELECT
    id, tenant_id, name, state, spans, period_start, period_end, cut, file_sha256, file_events,
    voided_events, created_at, applied_at, reverted_at
FROM corrections.operations
WHERE tenant_id = %(tenant_id)s
ORDER BY id
