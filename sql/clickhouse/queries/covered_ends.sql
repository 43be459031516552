-- Partitions that are read to their end: the ledger covers their end marker without a hole.
SELECT generation, partition, end_offset
FROM stream_ends FINAL
INNER JOIN
(
    SELECT generation, partition, max(last_offset) + 1 AS covered
    FROM
    (
        SELECT generation, partition, run, last_offset,
            max(NOT follows) OVER (PARTITION BY generation, partition ORDER BY run) AS broken
        FROM
        (
            SELECT generation, partition, run, last_offset,
                row_number() OVER (PARTITION BY generation, partition ORDER BY run) AS place,
                lagInFrame(last_offset + 1, 1, 0) OVER (
                    PARTITION BY generation, partition ORDER BY run
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                ) AS previous_end,
                run = place - 1 AND previous_end = run * chunk_records AS follows
            FROM stream_ledger FINAL
            INNER JOIN (SELECT generation, chunk_records FROM stream_generations FINAL) AS generations
                USING (generation)
            WHERE level = 0 AND generation IN (SELECT generation FROM stream_ends)
        )
    )
    WHERE NOT broken
    GROUP BY generation, partition
) AS cut USING (generation, partition)
WHERE covered >= end_offset
ORDER BY generation, partition
