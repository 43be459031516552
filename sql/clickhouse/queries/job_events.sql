-- The events of some chunks that meters of these tenants and types may read. The index on the place
-- in the log is a part of the key, so leaving granules out by it never hides a newer row.
SELECT intDiv(offset, {chunk_records:UInt64}) AS run, tenant_id, type, subject, time, data, sign,
    generation, partition, offset, row
FROM usage_events FINAL
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
    AND (empty({tenants:Array(String)}) OR tenant_id IN {tenants:Array(String)})
    AND (empty({types:Array(String)}) OR type IN {types:Array(String)})
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 1,
    use_skip_indexes_if_final_exact_mode = 0
