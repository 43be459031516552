-- Every partition of the log that the ledger knows.
SELECT generation, partition, any(chunk_records) AS chunk_records
FROM stream_ledger
INNER JOIN (SELECT generation, toUInt64(chunk_records) AS chunk_records FROM stream_generations FINAL) AS generations
    USING (generation)
GROUP BY generation, partition
ORDER BY generation, partition
