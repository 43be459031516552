-- When the events of each record beyond a cut were received: one row a record and instant.
SELECT partition, offset, toUnixTimestamp64Micro(received_at) AS received_us, count() AS many
FROM usage_events
WHERE offset >= {ends:Array(UInt64)}[partition + 1]
GROUP BY partition, offset, received_us
