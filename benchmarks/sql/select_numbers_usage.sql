-- What the made events have to add up to, from their numbers alone: no table is read.
WITH cityHash64(number) AS draw
SELECT concat('customer-', toString(intDiv(draw, 256) % {subjects:UInt64})) AS subject,
    toInt64(count()) AS requests,
    sum(toDecimal256(intDiv(draw, 4000000) % 100000, 0)) AS cents,
    sum(toInt128(draw % 4000)) AS tokens,
    sum(toInt128(intDiv(draw, 4000) % 1000)) AS cached,
    max(draw % 4000) AS largest
FROM numbers({events:UInt64})
GROUP BY subject
