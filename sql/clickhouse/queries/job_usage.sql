-- The rows of complete runs that a roll-up merges, in the order of the table, so that nothing is sorted in memory.
SELECT tenant_id, toString(meter_usage.meter_id) AS meter_id, subject, dimensions,
    toDateTime64(meter_usage.hour, 6, 'UTC') AS hour, event_count, voided_count, unmeterable_count,
    missing_count, not_a_number_count, too_large_count, too_precise_count, too_long_count,
    sum, min, max, latest, latest_time, latest_position, distinct_values,
    intDiv(meter_usage.run, {roll:UInt64}) AS run
FROM meter_usage FINAL
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND level = {level:UInt8}
    AND meter_usage.run >= {first_run:UInt64} AND meter_usage.run < {end_run:UInt64}
    AND intDiv(meter_usage.run, 64) >= intDiv({first_run:UInt64}, 64)
    AND intDiv(meter_usage.run, 64) <= intDiv({end_run:UInt64}, 64)
    AND (empty({meter_ids:Array(UUID)}) OR meter_usage.meter_id IN {meter_ids:Array(UUID)})
ORDER BY tenant_id, intDiv(meter_usage.run, 64), subject, meter_usage.meter_id, dimensions
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
