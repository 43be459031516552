-- What the baseline metered: one row for each meter, subject and hour of each of its batches.
CREATE TABLE baseline_usage
(
    meter LowCardinality(String),
    subject String,
    hour DateTime('UTC'),
    events UInt64,
    quantity Decimal(38, 12)
)
ENGINE = SummingMergeTree
ORDER BY (meter, subject, hour)
