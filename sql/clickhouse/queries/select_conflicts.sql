-- Copies of accepted events that say something else, newest first; an empty list of ids stands for any.
SELECT generation, partition, offset, row, id, source, type, subject, time, received_at, log_time, data
FROM stream_conflicts FINAL
WHERE tenant_id = {tenant_id:String}
    AND (empty({ids:Array(String)}) OR id IN {ids:Array(String)})
    AND log_time >= fromUnixTimestamp64Micro({start_us:Int64}, 'UTC')
    AND log_time < fromUnixTimestamp64Micro({end_us:Int64}, 'UTC')
ORDER BY log_time DESC, generation DESC, partition DESC, offset DESC, row DESC
LIMIT {limit:UInt32}
