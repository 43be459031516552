-- What the baseline accepted, as it received it.
CREATE TABLE baseline_events
(
    id String,
    source LowCardinality(String),
    type LowCardinality(String),
    subject String,
    time DateTime64(6, 'UTC'),
    body String
)
ENGINE = MergeTree
ORDER BY (type, subject, time)
