-- Where a partition of a generation ends: the offset after its end marker, as the lane that read it found it.
CREATE TABLE IF NOT EXISTS stream_ends
(
    generation UInt16,
    partition UInt16,
    end_offset UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (generation, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;
