-- Events and voids with certain keys before a position of a partition, older generations included.
SELECT key, sign, generation, partition, offset, row, tenant_id, type, subject, time, data
FROM usage_events
WHERE key IN (SELECT toFixedString(unhex(arrayJoin({keys:Array(String)})), 16))
    AND (generation < {generation:UInt16}
        OR (generation = {generation:UInt16} AND partition = {partition:UInt16}
            AND offset < {before:UInt64}))
