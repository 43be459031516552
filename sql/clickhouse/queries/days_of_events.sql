-- On which days some stretches of one generation's log have events.
SELECT DISTINCT intDiv(toUnixTimestamp(hour), 86400) AS day
FROM usage_events
WHERE tenant_id = {tenant_id:String}
    AND type IN {types:Array(String)}
    AND hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND hour < toDateTime({end_seconds:UInt32}, 'UTC')
    AND generation = {generation:UInt16}
    AND offset >= {lowest:UInt64}
    AND offset < {highest:UInt64}
    AND arrayExists(
        (of_partition, first, end) -> partition = of_partition AND offset >= first AND offset < end,
        {partitions:Array(UInt16)}, {firsts:Array(UInt64)}, {ends:Array(UInt64)}
    )
ORDER BY day
