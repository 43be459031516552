-- What whole hours of complete chunks do not answer: edges of the period, open chunks, older catalogs.
SELECT tenant_id, type, subject, time, data
FROM usage_events FINAL
WHERE tenant_id = {tenant_id:String}
    AND has({types:Array(String)}, type)
    AND time >= fromUnixTimestamp64Micro({start_us:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Micro({end_us:Int64}, 'UTC')
    AND hour >= fromUnixTimestamp64Micro({start_us:Int64}, 'UTC') - INTERVAL 1 HOUR
    AND hour < fromUnixTimestamp64Micro({end_us:Int64}, 'UTC')
    AND (empty({subjects:Array(String)}) OR has({subjects:Array(String)}, subject))
    AND offset < transform(
                concat(toString(generation), '/', toString(partition)),
                {cut_parts:Array(String)}, {cut_ends:Array(UInt64)}, toUInt64(0)
            )
    AND (
        hour < fromUnixTimestamp64Micro({first_hour_us:Int64}, 'UTC')
        OR hour >= fromUnixTimestamp64Micro({end_hour_us:Int64}, 'UTC')
        OR (generation, partition, intDiv(offset, transform(generation, {generations:Array(UInt16)}, {chunk_records:Array(UInt64)}, toUInt64(1)))) NOT IN
        (
            SELECT generation, partition, run
            FROM stream_ledger FINAL
            INNER JOIN (SELECT generation, chunk_records FROM stream_generations FINAL) AS generations
                USING (generation)
            WHERE level = 0
                AND catalog_version >= {catalog_version:UInt32}
                AND last_offset + 1 = (run + 1) * chunk_records
                AND last_offset < transform(
                concat(toString(generation), '/', toString(partition)),
                {cut_parts:Array(String)}, {cut_ends:Array(UInt64)}, toUInt64(0)
            )
        )
    )
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
