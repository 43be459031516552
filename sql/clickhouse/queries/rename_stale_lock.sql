RENAME TABLE schema_migrations_lock TO {stale:Identifier}
