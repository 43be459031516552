-- A month of one customer as an analyst would ask for it: one scan of the raw events, JSON read as it goes.
SELECT subject, toInt64(count()) AS requests,
    sum(toDecimal256(JSONExtractRaw(data, 'n'), 12)) AS units,
    sum(toInt128(JSONExtractInt(data, 'usage', 'tokens'))) AS tokens,
    sum(toInt128(JSONExtractInt(data, 'usage', 'cached'))) AS cached,
    max(JSONExtractInt(data, 'usage', 'tokens')) AS largest
FROM usage_events
WHERE tenant_id = {tenant:String} AND type = {type:String} AND subject = {subject:String}
    AND time >= {start:DateTime64(6, 'UTC')} AND time < {end:DateTime64(6, 'UTC')}
GROUP BY subject
