-- The whole ledger: what every run proves. chunk_records is 0 where the generation is not known.
SELECT generation, partition, level, run, last_offset, catalog_version, records, events, accepted,
    duplicates, conflicts, rejected, chunk_records
FROM stream_ledger FINAL
LEFT JOIN
(
    SELECT generation, toUInt64(chunk_records) AS chunk_records
    FROM stream_generations FINAL
) AS generations
    USING (generation)
ORDER BY generation, partition, level, run
