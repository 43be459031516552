-- Stored totals of neighbouring subjects, of every level.
SELECT tenant_id, toString(meter_usage.meter_id) AS meter_id, subject, dimensions,
    toDateTime64(hour, 6, 'UTC') AS hour, event_count, voided_count, unmeterable_count, missing_count,
    not_a_number_count, too_large_count, too_precise_count, too_long_count, sum, min, max, latest,
    latest_time, latest_position, distinct_values, generation, partition, level, run, last_offset
FROM meter_usage FINAL
WHERE (tenant_id > {first_tenant:String} OR (tenant_id = {first_tenant:String} AND subject >= {first_subject:String}))
    AND (tenant_id < {last_tenant:String} OR (tenant_id = {last_tenant:String} AND subject <= {last_subject:String}))
    AND meter_usage.hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND meter_usage.hour < toDateTime({end_seconds:UInt32}, 'UTC')
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
