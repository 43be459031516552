INSERT INTO usage_events
    (tenant_id, type, subject, hour, generation, partition, offset, row, key, content_hash, id,
    source, time, received_at, log_time, data)
SELECT 'tenant', 'call', 'subject-' || toString(number % 500), toDateTime(1767225600, 'UTC'), 1, 0,
    intDiv(number, 1000), number % 1000,
    sipHash128(number), number, toString(number), 'bench', toDateTime64(1767225600, 6, 'UTC'),
    toDateTime64(1767225600, 6, 'UTC'), fromUnixTimestamp64Milli(toInt64(1767225600000 + intDiv(number, 1000)), 'UTC'),
    '{"n": 1}'
FROM numbers({first:UInt64}, {many:UInt64})
