SELECT tenant_id, toString(meter_id) AS meter_id, subject, dimensions, toDateTime64(hour, 6, 'UTC') AS hour, event_count,
    unmeterable_count, sum, run, last_offset
FROM meter_usage FINAL
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND level = 0
    AND run >= {first_run:UInt64} AND run < {end_run:UInt64}
ORDER BY run, tenant_id, meter_id, subject, dimensions, hour
