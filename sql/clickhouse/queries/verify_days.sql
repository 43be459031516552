-- The days on which a subject has events, and how many.
SELECT intDiv(toUnixTimestamp(hour), 86400) AS day, count() AS stored
FROM usage_events
WHERE tenant_id = {tenant_id:String} AND subject = {subject:String}
GROUP BY day
ORDER BY day
