-- How many events of each chunk are stored, each position once.
SELECT intDiv(offset, {chunk_records:UInt64}) AS run, uniqExact(offset, row) AS stored
FROM usage_events
WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
    AND offset >= {first:UInt64} AND offset < {end:UInt64}
GROUP BY run
ORDER BY run
