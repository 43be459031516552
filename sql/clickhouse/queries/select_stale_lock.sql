SELECT uuid
FROM system.tables
WHERE database = currentDatabase()
    AND name = 'schema_migrations_lock'
    AND metadata_modification_time < now() - toIntervalSecond({lease_seconds:UInt32})
