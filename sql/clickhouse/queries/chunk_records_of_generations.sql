SELECT generation, toUInt64(chunk_records) AS chunk_records
FROM stream_generations FINAL
ORDER BY generation
