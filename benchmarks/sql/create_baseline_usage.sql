-- What a baseline metered: one row for each subject, model, region and hour of each of its batches.
CREATE TABLE baseline_usage
(
    subject String,
    model LowCardinality(String),
    region LowCardinality(String),
    hour DateTime('UTC'),
    requests SimpleAggregateFunction(sum, UInt64),
    units SimpleAggregateFunction(sum, Decimal(38, 12)),
    tokens SimpleAggregateFunction(sum, Decimal(38, 12)),
    cached SimpleAggregateFunction(sum, Decimal(38, 12)),
    largest SimpleAggregateFunction(max, Decimal(38, 12))
)
ENGINE = AggregatingMergeTree
ORDER BY (subject, model, region, hour)
