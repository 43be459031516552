-- What the server has written since it started: by inserts, and again by merges.
SELECT event, value
FROM system.events
WHERE event IN ('InsertedRows', 'InsertedBytes', 'MergedRows', 'MergedUncompressedBytes')
