-- Chunks whose counts do not add up, or whose accepted events are not the rows that are stored.
SELECT generation, partition, run, last_offset, events, accepted, duplicates, conflicts, rejected, stored
FROM
(
    SELECT generation, partition, run, last_offset, events, accepted, duplicates, conflicts, rejected
    FROM stream_ledger FINAL
    WHERE level = 0
) AS ledger
LEFT JOIN
(
    SELECT generation, partition, intDiv(offset, chunk_records) AS run, count() AS stored
    FROM (SELECT generation, partition, offset FROM usage_events FINAL) AS positions
    INNER JOIN (SELECT generation, chunk_records FROM stream_generations FINAL) AS generations
        USING (generation)
    GROUP BY generation, partition, run
) AS events USING (generation, partition, run)
WHERE accepted != stored OR events != accepted + duplicates + conflicts + rejected
ORDER BY generation, partition, run
