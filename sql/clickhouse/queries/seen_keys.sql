-- Which of some events were accepted before a cut, by their keys.
SELECT DISTINCT lower(hex(key)) AS seen
FROM usage_events
WHERE tenant_id = {tenant_id:String}
    AND type IN {types:Array(String)}
    AND subject IN {subjects:Array(String)}
    AND hour >= toStartOfHour(fromUnixTimestamp64Micro({start_us:Int64}, 'UTC'))
    AND hour <= toStartOfHour(fromUnixTimestamp64Micro({last_us:Int64}, 'UTC'))
    AND key IN arrayMap(text -> unhex(text), {keys:Array(String)})
    AND sign > 0
    AND arrayExists(
        (of_generation, of_partition, end) -> generation = of_generation AND partition = of_partition AND offset < end,
        {generations:Array(UInt16)}, {partitions:Array(UInt16)}, {ends:Array(UInt64)}
    )
