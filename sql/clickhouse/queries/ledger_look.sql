-- Everything that the ledger proves, and the size of a chunk in each generation.
SELECT generation, partition, level, run, last_offset, catalog_version, chunk_records
FROM stream_ledger FINAL
INNER JOIN
(
    SELECT generation, toUInt64(chunk_records) AS chunk_records
    FROM stream_generations FINAL
) AS generations
    USING (generation)
