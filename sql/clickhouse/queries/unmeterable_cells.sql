-- Where stored totals say that a meter could not read some events: days, and subjects on them.
SELECT intDiv(toUnixTimestamp(hour), 86400) AS day, groupUniqArray(subject) AS subjects
FROM meter_usage FINAL
WHERE tenant_id = {tenant_id:String}
    AND meter_usage.meter_id = {meter_id:UUID}
    AND unmeterable_count > 0
    AND hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND hour < toDateTime({end_seconds:UInt32}, 'UTC')
    AND level IN {levels:Array(UInt8)}
    AND (generation, partition, level, run) IN
    (
        SELECT range_generation, range_partition, range_level, arrayJoin(range(first_run, end_run))
        FROM system.one
        ARRAY JOIN
            {range_generations:Array(UInt16)} AS range_generation,
            {range_partitions:Array(UInt16)} AS range_partition,
            {range_levels:Array(UInt8)} AS range_level,
            {first_runs:Array(UInt64)} AS first_run,
            {end_runs:Array(UInt64)} AS end_run
    )
GROUP BY day
ORDER BY day
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
