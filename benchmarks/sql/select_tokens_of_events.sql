SELECT count() AS events, sum(toInt128(JSONExtractInt(data, 'usage', 'tokens'))) AS tokens
FROM usage_events
