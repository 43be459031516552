-- One row is one accepted event, keyed by its place in the log: writing it again replaces it by itself.
-- Parts belong to stretches of the log, so that old ones are dropped whole and reads by offset are pruned.
-- Every insert is on disk, file and directory, before it is acknowledged.
CREATE TABLE IF NOT EXISTS usage_events
(
    tenant_id LowCardinality(String),
    type LowCardinality(String),
    subject String,
    hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
    generation UInt16,
    partition UInt16,
    offset UInt64 CODEC(Delta, ZSTD(1)),
    row UInt32 CODEC(Delta, ZSTD(1)),
    key FixedString(16) CODEC(NONE),
    content_hash UInt64 CODEC(NONE),
    id String CODEC(ZSTD(1)),
    source LowCardinality(String),
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    log_time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    data String CODEC(ZSTD(1)),
    INDEX log_position (generation, partition, offset) TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY (generation, intDiv(offset, 16777216))
ORDER BY (tenant_id, type, subject, hour, generation, partition, offset, row)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;
