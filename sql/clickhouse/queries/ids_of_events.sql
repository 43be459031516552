-- Who sent some events, by their places in the log.
SELECT generation, partition, offset, row, id, source
FROM usage_events
WHERE tenant_id = {tenant_id:String}
    AND subject IN {subjects:Array(String)}
    AND hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND hour < toDateTime({end_seconds:UInt32}, 'UTC')
    AND (generation, partition, offset, row) IN {places:Array(Tuple(UInt16, UInt16, UInt64, UInt32))}
LIMIT 1 BY generation, partition, offset, row
