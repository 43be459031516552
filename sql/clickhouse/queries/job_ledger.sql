-- What may be left to do in a partition: not the highest level, nor the runs below a run, once that
-- has the newest catalog. In the order of the log, so that what a limit leaves out comes later.
SELECT level, run, last_offset, toUnixTimestamp64Milli(log_time) AS log_time_ms, catalog_version,
    records, events, accepted, duplicates, conflicts, rejected
FROM stream_ledger FINAL
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND NOT (level = {top:UInt8} AND catalog_version >= {newest:UInt32})
    AND (toUInt8(level + 1), intDiv(run, {roll:UInt64})) NOT IN
    (
        SELECT level, run
        FROM stream_ledger FINAL
        WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
            AND level > 0 AND catalog_version >= {newest:UInt32}
    )
ORDER BY last_offset, level
LIMIT {rows_max:UInt64}
