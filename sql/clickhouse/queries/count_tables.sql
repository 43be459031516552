-- The tables that migrations made; the lock of the runner that asks is none of them.
SELECT count()
FROM system.tables
WHERE database = currentDatabase() AND NOT startsWith(name, 'schema_migrations')
