-- The newest events of some types by event time, voids before what they take back.
SELECT tenant_id, type, subject, time, data, sign, generation, partition, offset, row, key
FROM usage_events FINAL
WHERE tenant_id = {tenant_id:String}
    AND type IN {types:Array(String)}
    AND hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND hour < toDateTime({end_seconds:UInt32}, 'UTC')
    AND time >= fromUnixTimestamp64Micro({start_us:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Micro({end_us:Int64}, 'UTC')
    AND arrayExists(
        (of_generation, of_partition, end) -> generation = of_generation AND partition = of_partition AND offset < end,
        {generations:Array(UInt16)}, {partitions:Array(UInt16)}, {ends:Array(UInt64)}
    )
ORDER BY time DESC, key, generation DESC, offset DESC, row DESC
LIMIT {limit:UInt32}
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
