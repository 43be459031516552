SELECT generation, topic, topic_id, partitions, chunk_records, horizon_seconds
FROM stream_generations FINAL
WHERE generation = {generation:UInt16}
ORDER BY topic, topic_id
