-- Conflicts that are kept, by offset.
SELECT generation, partition, offset, count() AS kept
FROM stream_conflicts FINAL
GROUP BY generation, partition, offset
