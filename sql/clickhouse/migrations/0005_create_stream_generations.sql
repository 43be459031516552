-- What is fixed when a generation of the log is created. A topic with another id is another log.
CREATE TABLE IF NOT EXISTS stream_generations
(
    generation UInt16,
    topic String,
    topic_id String,
    partitions UInt16,
    chunk_records UInt32,
    horizon_seconds UInt32
)
ENGINE = ReplacingMergeTree
ORDER BY (generation, topic, topic_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;
