-- The ledger, summed per partition: what the log held and what became of it.
SELECT generation, partition, count() AS chunks, max(last_offset) + 1 AS end, sum(records) AS records,
    sum(events) AS events, sum(accepted) AS accepted, sum(duplicates) AS duplicates,
    sum(conflicts) AS conflicts, sum(rejected) AS rejected
FROM stream_ledger FINAL
WHERE level = 0
GROUP BY generation, partition
ORDER BY generation, partition
