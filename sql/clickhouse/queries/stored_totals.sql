-- Stored totals, merged by window: counts and sums net of voids; where asked for, also what has an order (least, greatest
-- and latest value, the latest by event time, then log position), and distinct values. What is not asked for is not read.
-- A cell is a UTC hour or a UTC day, counted from 1970; the runs are those that a plan covers.
WITH
    arrayFlatten(arrayMap((first, end) -> range(first, end), {firsts:Array(UInt32)}, {ends:Array(UInt32)})) AS cells,
    arrayFlatten(arrayMap(
        (first, end, number) -> arrayMap(cell -> number, range(first, end)),
        {firsts:Array(UInt32)}, {ends:Array(UInt32)}, {windows:Array(UInt32)}
    )) AS windows_of_cells
SELECT
    if(
        length({windows:Array(UInt32)}) = 1,
        {windows:Array(UInt32)}[1],
        transform(intDiv(toUnixTimestamp(hour), {cell_seconds:UInt32}), cells, windows_of_cells, {no_window:UInt32})
    ) AS window,
    toString(meter_usage.meter_id) AS meter_id,
    subject,
    if({by_dimensions:Bool}, dimensions, '') AS dimensions,
    sum(event_count) AS events,
    sum(voided_count) AS voided,
    sum(unmeterable_count) AS unmeterable,
    toDecimal128(sum(toDecimal256(sum, 12)), 12) AS summed,
    min(if({ordered:Bool}, min, NULL)) AS least,
    max(if({ordered:Bool}, max, NULL)) AS greatest,
    argMaxIf(
        if({ordered:Bool}, (latest, assumeNotNull(latest_time), latest_position), (NULL, toDateTime64(0, 6, 'UTC'), '')),
        if({ordered:Bool}, (assumeNotNull(latest_time), latest_position), (toDateTime64(0, 6, 'UTC'), '')),
        if({ordered:Bool}, latest_position != '', false)
    ) AS newest,
    tupleElement(newest, 1) AS newest_value,
    if(newest_position = '', NULL, tupleElement(newest, 2)) AS newest_time,
    tupleElement(newest, 3) AS newest_position,
    groupUniqArrayArray(if({distinct:Bool}, distinct_values, CAST([], 'Array(String)'))) AS distinct_set
FROM meter_usage FINAL
WHERE tenant_id = {tenant_id:String}
    AND meter_usage.meter_id IN {meter_ids:Array(UUID)}
    AND (empty({subjects:Array(String)}) OR subject IN {subjects:Array(String)})
    AND hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND hour < toDateTime({end_seconds:UInt32}, 'UTC')
    AND level IN {levels:Array(UInt8)}
    AND (
        level = 0 AND run < {end_chunk:UInt64} AND intDiv(run, 64) >= intDiv({lowest_chunk:UInt64}, 64)
        OR level > 0 AND run < {end_roll:UInt64} AND intDiv(run, 64) >= intDiv({lowest_roll:UInt64}, 64)
    )
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
GROUP BY window, meter_id, subject, dimensions
HAVING window != {no_window:UInt32}
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
