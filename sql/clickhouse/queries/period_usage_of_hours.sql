-- Whole hours of complete chunks within the cut whose catalog knew the meters.
SELECT toString(meter_id) AS meter_id, subject,
    toDecimal128(sum(toDecimal256(sum, 12)), 12) AS summed,
    toInt64(sum(event_count)) AS event_count,
    toInt64(sum(unmeterable_count)) AS unmeterable_count
FROM meter_usage FINAL
WHERE tenant_id = {tenant_id:String}
    AND has({meter_ids:Array(String)}, toString(meter_usage.meter_id))
    AND hour >= fromUnixTimestamp64Micro({first_hour_us:Int64}, 'UTC')
    AND hour < fromUnixTimestamp64Micro({end_hour_us:Int64}, 'UTC')
    AND level = 0
    AND (empty({subjects:Array(String)}) OR has({subjects:Array(String)}, subject))
    AND (generation, partition, run) IN
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
GROUP BY meter_id, subject
