-- Events of some chunks of one partition.
SELECT tenant_id, type, subject, time, data, sign, generation, partition, offset, row,
    toUnixTimestamp(hour) != intDiv(toUnixTimestamp64Micro(time), 1000000) - modulo(intDiv(toUnixTimestamp64Micro(time), 1000000), 3600) AS misplaced
FROM usage_events FINAL
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
