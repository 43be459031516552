SELECT generation, partition, offset, row, sign, tenant_id, type, subject, time, data
FROM usage_events FINAL
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
ORDER BY offset, row
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1
