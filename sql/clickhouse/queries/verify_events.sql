-- Events of neighbouring subjects: from the first tenant and subject to the last, both included.
SELECT tenant_id, type, subject, time, data, sign, generation, partition, offset, row,
    toUnixTimestamp(hour) != intDiv(toUnixTimestamp64Micro(time), 1000000) - modulo(intDiv(toUnixTimestamp64Micro(time), 1000000), 3600) AS misplaced
FROM usage_events FINAL
WHERE (tenant_id > {first_tenant:String} OR (tenant_id = {first_tenant:String} AND subject >= {first_subject:String}))
    AND (tenant_id < {last_tenant:String} OR (tenant_id = {last_tenant:String} AND subject <= {last_subject:String}))
    AND hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND hour < toDateTime({end_seconds:UInt32}, 'UTC')
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
