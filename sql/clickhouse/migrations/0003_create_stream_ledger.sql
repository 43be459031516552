-- One row proves one run of the log up to last_offset: all its rows in the other tables were on disk before it.
-- The version orders rows by (last_offset, catalog_version): offsets stay below 2^40, catalog versions below 2^24.
CREATE TABLE IF NOT EXISTS stream_ledger
(
    generation UInt16,
    partition UInt16,
    level UInt8,
    run UInt64,
    last_offset UInt64,
    log_time DateTime64(3, 'UTC'),
    catalog_version UInt32,
    records UInt64,
    events UInt64,
    accepted UInt64,
    duplicates UInt64,
    conflicts UInt64,
    rejected UInt64,
    version UInt64 DEFAULT bitOr(bitShiftLeft(last_offset, 24), toUInt64(catalog_version))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY (generation, level)
ORDER BY (generation, partition, level, run)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;
