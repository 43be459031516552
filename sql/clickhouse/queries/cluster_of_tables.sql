-- The cluster's name, out of `Distributed('name', …)`.
SELECT DISTINCT extract(engine_full, '^Distributed\\(\'([^\']+)\'') AS cluster
FROM system.tables
WHERE database = currentDatabase() AND engine = 'Distributed' AND name = 'usage_events'
