-- Events and voids of some subjects and hours before a cut, as they were sent. A part of the keys at a
-- time, each with all its rows: a void has the hour and the key of its target.
SELECT type, subject, time, data, source, id, sign, generation, partition, offset, row, key
FROM usage_events FINAL
WHERE tenant_id = {tenant_id:String}
    AND subject IN {subjects:Array(String)}
    AND hour >= toDateTime({first_seconds:UInt32}, 'UTC')
    AND hour <= toDateTime({last_seconds:UInt32}, 'UTC')
    AND time >= fromUnixTimestamp64Micro({start_us:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Micro({end_us:Int64}, 'UTC')
    AND modulo(cityHash64(key), {shares:UInt32}) = {share:UInt32}
    AND arrayExists(
        (of_generation, of_partition, end) ->
            generation = of_generation AND partition = of_partition AND offset < end,
        {generations:Array(UInt16)}, {partitions:Array(UInt16)}, {ends:Array(UInt64)}
    )
ORDER BY generation, partition, offset, row
SETTINGS do_not_merge_across_partitions_select_final = 1
