-- Partitions of older generations that show other than as many events as the ledger proves, from the first run
-- on that ends at or after a log time.
SELECT generation, partition, accepted, stored
FROM
(
    SELECT generation, partition, sum(accepted) AS accepted
    FROM stream_ledger FINAL
    WHERE level = 0 AND generation < {generation:UInt16}
        AND log_time >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    GROUP BY generation, partition
) AS proved
LEFT JOIN
(
    SELECT generation, partition, count() AS stored
    FROM
    (
        SELECT generation, partition, offset
        FROM usage_events FINAL
        WHERE generation < {generation:UInt16}
    ) AS events
    INNER JOIN
    (
        SELECT generation, partition, min(run) AS first_run, any(chunk_records) AS chunk
        FROM stream_ledger FINAL
        INNER JOIN (SELECT generation, chunk_records FROM stream_generations FINAL) AS generations
            USING (generation)
        WHERE level = 0 AND generation < {generation:UInt16}
            AND log_time >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
        GROUP BY generation, partition
    ) AS firsts USING (generation, partition)
    WHERE intDiv(offset, chunk) >= first_run
    GROUP BY generation, partition
) AS shown USING (generation, partition)
WHERE accepted != stored
ORDER BY generation, partition
