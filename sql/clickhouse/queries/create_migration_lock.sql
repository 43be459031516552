CREATE TABLE schema_migrations_lock (held UInt8) ENGINE = Memory
