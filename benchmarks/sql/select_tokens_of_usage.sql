-- Events and tokens as one meter totalled them.
SELECT sum(event_count) AS events, sum(toDecimal256(sum, 12)) AS tokens
FROM meter_usage
WHERE meter_id = {meter:UUID}
