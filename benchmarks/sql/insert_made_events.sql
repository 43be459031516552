-- Events of a month, made from their numbers: evenly over its seconds, over subjects, models and regions.
-- Envelope e lies in partition e % 4 at offset e / 4.
INSERT INTO usage_events
    (tenant_id, type, subject, hour, generation, partition, offset, row, key, content_hash, id,
    source, time, received_at, log_time, data)
WITH
    intDiv(number, {size:UInt64}) AS envelope,
    cityHash64(number) AS draw,
    {start:UInt32} + intDiv(number * {seconds:UInt64}, {events:UInt64}) AS at,
    toString(draw % 4000) AS tokens,
    toString(intDiv(draw, 4000) % 1000) AS cached,
    intDiv(draw, 4000000) % 100000 AS cents
SELECT {tenant:String}, {type:String}, concat('customer-', toString(intDiv(draw, 256) % {subjects:UInt64})),
    toDateTime(intDiv(at, 3600) * 3600, 'UTC'), 1, envelope % 4, intDiv(envelope, 4), number % {size:UInt64},
    sipHash128(number), draw, concat('m-', toString(number)), 'gateway/eu-1',
    toDateTime64(at, 6, 'UTC'), toDateTime64(at, 6, 'UTC'), fromUnixTimestamp64Milli(toInt64({start:UInt32}) * 1000, 'UTC'),
    concat('{"model":"', ['gpt-4o-mini', 'llama-3-70b', 'mistral-large'][1 + draw % 3],
        '","n":', toString(intDiv(cents, 100)), '.', leftPad(toString(cents % 100), 2, '0'),
        ',"usage":{"tokens":', tokens, ',"cached":', cached,
        '},"region":"', ['eu-1', 'eu-2', 'us-1'][1 + intDiv(draw, 7) % 3], '","attempt":1}')
FROM numbers({first:UInt64}, {many:UInt64})
