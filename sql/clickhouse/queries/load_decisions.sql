SELECT generation, partition, offset, decision, reason, decided_by, decided_at
FROM stream_decisions FINAL
ORDER BY generation, partition, offset, decided_at, decision
