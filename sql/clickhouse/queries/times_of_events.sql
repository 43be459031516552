-- From when to when there are events of some types, before a cut; nothing where there are none.
SELECT min(time) AS first_time, max(time) AS last_time
FROM usage_events
WHERE tenant_id = {tenant_id:String}
    AND type IN {types:Array(String)}
    AND (empty({subjects:Array(String)}) OR subject IN {subjects:Array(String)})
    AND sign > 0
    AND arrayExists(
        (of_generation, of_partition, end) -> generation = of_generation AND partition = of_partition AND offset < end,
        {generations:Array(UInt16)}, {partitions:Array(UInt16)}, {ends:Array(UInt64)}
    )
HAVING count() > 0
