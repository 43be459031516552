-- Accepted keys of older generations that belong to a partition of a newer one; voids hold none.
SELECT key, content_hash, toUnixTimestamp64Milli(log_time) AS log_time_ms
FROM usage_events FINAL
WHERE generation < {generation:UInt16} AND sign = 1
    AND log_time >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    AND log_time < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
    AND reinterpretAsUInt128(reverse(key)) % {partitions:UInt16} = {partition:UInt16}
ORDER BY log_time, generation, partition, offset, row
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
