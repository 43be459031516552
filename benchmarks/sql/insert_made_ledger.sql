-- What proves the made events: whole chunks under a catalog without meters.
INSERT INTO stream_ledger
    (generation, partition, level, run, last_offset, log_time, catalog_version, records, events,
    accepted, duplicates, conflicts, rejected)
SELECT 1, number % 4, 0, intDiv(number, 4), (intDiv(number, 4) + 1) * {chunk:UInt64} - 1,
    fromUnixTimestamp64Milli(toInt64({start:UInt32}) * 1000, 'UTC'), 0, {chunk:UInt64},
    {chunk:UInt64} * {size:UInt64}, {chunk:UInt64} * {size:UInt64}, 0, 0, 0
FROM numbers({chunks:UInt64})
