SELECT run, last_offset, toUnixTimestamp64Milli(log_time) AS log_time_ms, catalog_version,
    records, events, accepted, duplicates, conflicts, rejected
FROM stream_ledger FINAL
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND level = 0
ORDER BY run
