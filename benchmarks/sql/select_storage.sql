-- Active parts of the tables of the data plane; totals and proofs by level.
SELECT table, if(table IN ('meter_usage', 'stream_ledger'), splitByChar(',', trim(BOTH '()' FROM partition))[2], '') AS level,
    sum(rows) AS stored_rows, sum(bytes_on_disk) AS stored_bytes, sum(data_uncompressed_bytes) AS plain_bytes, count() AS parts
FROM system.parts
WHERE active AND database = currentDatabase() AND rows > 0
    AND table IN ('usage_events', 'meter_usage', 'stream_ledger', 'stream_conflicts')
GROUP BY table, level
ORDER BY table DESC, level
