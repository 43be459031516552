-- What was decided about single positions of the log, in the order of time: a worker halted a partition there,
-- an operator had it tried once more, or named it as rejected, which is for good: every replay judges it alike.
CREATE TABLE IF NOT EXISTS stream_decisions
(
    generation UInt16,
    partition UInt16,
    offset UInt64,
    decision LowCardinality(String),
    reason String,
    decided_by String,
    decided_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(decided_at)
ORDER BY (generation, partition, offset, decision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;
