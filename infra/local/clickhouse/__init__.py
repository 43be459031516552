"""The local ClickHouse: the engine embedded by chDB, in one owner process, behind HTTP.

Owns: the data directory of the embedded engine, the process that holds it, and the part of
ClickHouse's HTTP protocol that clickhouse-connect, curl and Grafana's data source speak.
Does not own: tables, migrations and their durability settings (they come from the clients), the
supervision of the process (the stack does that), users (there is one, with a password).
Invariants: a directory has one owner at a time; every request runs on a connection of its own, so
that no setting leaks into the next; an INSERT whose body is cut off is never acknowledged; the
server listens on loopback only; nothing waits for the engine on the event loop.
"""
