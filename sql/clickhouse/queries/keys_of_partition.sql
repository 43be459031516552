-- Accepted rows of a stretch of the log; one that was written twice may come twice, in any order.
SELECT offset, row, key, content_hash, toUnixTimestamp64Milli(log_time) AS log_time_ms, sign
FROM usage_events
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
