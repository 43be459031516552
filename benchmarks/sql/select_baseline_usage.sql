SELECT toInt64(toUnixTimestamp(hour)) * 1000000 AS hour_us, subject, model, region,
    toInt64(sum(requests)) AS requests,
    sum(toDecimal256(units, 12)) AS units,
    sum(toDecimal256(tokens, 12)) AS tokens,
    sum(toDecimal256(cached, 12)) AS cached,
    max(largest) AS largest
FROM baseline_usage
GROUP BY hour, subject, model, region
