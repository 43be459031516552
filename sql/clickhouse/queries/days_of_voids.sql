-- Where events were taken back: a cell that counts an event and another one's void shows neither.
SELECT intDiv(toUnixTimestamp(hour), 86400) AS day, groupUniqArray(subject) AS subjects
FROM usage_events
WHERE tenant_id = {tenant_id:String}
    AND type IN {types:Array(String)}
    AND sign = -1
    AND hour >= toDateTime({start_seconds:UInt32}, 'UTC')
    AND hour < toDateTime({end_seconds:UInt32}, 'UTC')
GROUP BY day
