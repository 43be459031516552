SELECT generation, topic, topic_id, partitions, chunk_records, horizon_seconds
FROM stream_generations FINAL
ORDER BY generation, topic, topic_id
