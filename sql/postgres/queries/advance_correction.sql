UPDATE corrections.operations
SET state = %(state)s,
    voided_events = coalesce(%(voided_events)s, voided_events),
    applied_at = CASE WHEN %(state)s = 'applied' THEN %(now)s ELSE applied_at END,
    reverted_at = CASE WHEN %(state)s = 'reverted' THEN %(now)s ELSE reverted_at END
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
