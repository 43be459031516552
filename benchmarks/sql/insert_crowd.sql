-- Ids grow with the number, as those of the product grow with time.
INSERT INTO benchmark_crowd
SELECT
    number, %(tenant_id)s, number <= %(subscribed)s,
    (lpad(to_hex(1704067200000 + number), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
    (lpad(to_hex(1704067200000 + number), 12, '0') || '7' || substr(hash, 5, 3) || '9' || substr(hash, 8, 15))::uuid,
    time_zone,
    make_timestamptz(2024, 1, day, 0, 0, 0, time_zone),
    ended_at,
    mod(number, 37) = 0,
    due,
    make_timestamptz(2024, month, day, 0, 0, 0, time_zone),
    least(make_timestamptz(2024, month + 1, day, 0, 0, 0, time_zone), ended_at)
FROM generate_series(%(first)s::integer, %(last)s::integer) AS number
CROSS JOIN LATERAL (
    SELECT
        md5(%(tenant_id)s::text || number) AS hash,
        1 + mod(number, 28) AS day,
        CASE mod(number, 5) WHEN 0 THEN CASE mod(number, 11) WHEN 0 THEN 3 ELSE 5 END ELSE 6 END AS month,
        mod(number, 5) = 0 AS due,
        CASE mod(number, 3) WHEN 0 THEN 'Europe/Berlin' WHEN 1 THEN 'America/New_York' ELSE 'Asia/Kolkata' END
            AS time_zone,
        CASE mod(number, 41) WHEN 0 THEN %(as_of)s::timestamptz + interval '1 hour' END AS ended_at
) AS made
