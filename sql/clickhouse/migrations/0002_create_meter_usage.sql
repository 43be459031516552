-- One row is the total of one meter, subject, dimensions and hour within one run of the log (level 0: a chunk).
-- It is a total, never an increment: the row with the highest last_offset is the whole truth of its run.
CREATE TABLE IF NOT EXISTS meter_usage
(
    tenant_id LowCardinality(String),
    meter_id UUID,
    subject String,
    dimensions String,
    hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
    generation UInt16,
    partition UInt16,
    level UInt8,
    run UInt64 CODEC(Delta, ZSTD(1)),
    last_offset UInt64 CODEC(Delta, ZSTD(1)),
    event_count UInt64 CODEC(T64, ZSTD(1)),
    unmeterable_count UInt64 CODEC(T64, ZSTD(1)),
    sum Decimal(38, 12) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(last_offset)
PARTITION BY (generation, level)
ORDER BY (tenant_id, meter_id, subject, dimensions, hour, generation, partition, level, run)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;
