SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND reltuples > %(rows)s
