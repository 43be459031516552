-- Stored totals of some chunks of one partition.
SELECT tenant_id, toString(meter_usage.meter_id) AS meter_id, subject, dimensions,
    toDateTime64(hour, 6, 'UTC') AS hour, event_count, voided_count, unmeterable_count, missing_count,
    not_a_number_count, too_large_count, too_precise_count, too_long_count, sum, min, max, latest,
    latest_time, latest_position, distinct_values, generation, partition, level, run, last_offset
FROM meter_usage FINAL
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND level = 0
    AND run >= {first_run:UInt64} AND run < {end_run:UInt64}
    AND intDiv(run, 64) >= intDiv({first_run:UInt64}, 64) AND intDiv(run, 64) <= intDiv({end_run:UInt64}, 64)
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
