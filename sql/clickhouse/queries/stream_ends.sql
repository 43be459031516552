SELECT generation, partition, end_offset
FROM stream_ends FINAL
ORDER BY generation, partition
