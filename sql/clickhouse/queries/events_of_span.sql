-- Events and voids of some stretches of one generation's log, in some hours (counted from 1970).
SELECT tenant_id, type, subject, time, data, sign, generation, partition, offset, row, key
FROM usage_events FINAL
WHERE tenant_id = {tenant_id:String}
    AND type IN {types:Array(String)}
    AND (empty({subjects:Array(String)}) OR subject IN {subjects:Array(String)})
    AND hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND hour < toDateTime({end_seconds:UInt32}, 'UTC')
    AND generation = {generation:UInt16}
    AND offset >= {lowest:UInt64}
    AND offset < {highest:UInt64}
    AND
    (
        length({first_hours:Array(UInt32)}) = 1
        OR intDiv(toUnixTimestamp(hour), 3600) IN
        (
            SELECT arrayJoin(range(first_hour, end_hour))
            FROM system.one
            ARRAY JOIN {first_hours:Array(UInt32)} AS first_hour, {end_hours:Array(UInt32)} AS end_hour
        )
    )
    AND arrayExists(
        (of_partition, first, end) -> partition = of_partition AND offset >= first AND offset < end,
        {partitions:Array(UInt16)}, {firsts:Array(UInt64)}, {ends:Array(UInt64)}
    )
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
