-- Accepted events as they were sent, newest first by event time; an empty list stands for any.
SELECT generation, partition, offset, row, sign, id, source, type, subject, time, received_at, log_time, data
FROM usage_events FINAL
WHERE tenant_id = {tenant_id:String}
    AND ({with_voids:UInt8} OR sign > 0)
    AND (empty({types:Array(String)}) OR type IN {types:Array(String)})
    AND (empty({subjects:Array(String)}) OR subject IN {subjects:Array(String)})
    AND (empty({keys:Array(String)}) OR key IN arrayMap(text -> unhex(text), {keys:Array(String)}))
    AND (empty({ids:Array(String)}) OR id IN {ids:Array(String)})
    AND (empty({sources:Array(String)}) OR source IN {sources:Array(String)})
    AND hour >= toStartOfHour(fromUnixTimestamp64Micro({start_us:Int64}, 'UTC'))
    AND time >= fromUnixTimestamp64Micro({start_us:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Micro({end_us:Int64}, 'UTC')
    AND received_at >= fromUnixTimestamp64Micro({received_start_us:Int64}, 'UTC')
    AND received_at < fromUnixTimestamp64Micro({received_end_us:Int64}, 'UTC')
ORDER BY time DESC, generation DESC, partition DESC, offset DESC, row DESC
LIMIT {limit:UInt32}
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
