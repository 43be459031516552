SELECT meter, toInt64(toUnixTimestamp(hour)) * 1000000 AS hour_us, subject,
    sum(quantity) AS quantity, toInt64(sum(events)) AS events
FROM baseline_usage
GROUP BY meter, hour, subject
