-- Copies of an accepted event that say something else: the first one counts, these are kept for audit.
CREATE TABLE IF NOT EXISTS stream_conflicts
(
    generation UInt16,
    partition UInt16,
    offset UInt64,
    row UInt32,
    tenant_id LowCardinality(String),
    key FixedString(16),
    content_hash UInt64,
    id String,
    source String,
    type String,
    subject String,
    time DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    log_time DateTime64(3, 'UTC'),
    data String
)
ENGINE = ReplacingMergeTree
PARTITION BY (generation, intDiv(offset, 16777216))
ORDER BY (generation, partition, offset, row)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;
