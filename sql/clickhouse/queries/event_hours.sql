-- How many rows of some subjects each hour has: voids and repeated writes among them.
SELECT toUnixTimestamp(hour) AS hour_seconds, count() AS row_count
FROM usage_events
WHERE tenant_id = {tenant_id:String}
    AND subject IN {subjects:Array(String)}
    AND hour >= toDateTime(intDiv({start_us:Int64}, 3600000000) * 3600, 'UTC')
    AND time >= fromUnixTimestamp64Micro({start_us:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Micro({end_us:Int64}, 'UTC')
GROUP BY hour
ORDER BY hour
