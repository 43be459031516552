"""Connections, transactions and schema migrations for Postgres and ClickHouse.

Owns: the Postgres pool, its unit of work and the roles it works in, the outbox, the ClickHouse
client, the migration runner and its ledger. Does not own: tables, queries or any business word.
Invariants: only this package opens connections and commits; a transaction sees one tenant; a server
that cannot be reached is a `DependencyDownError` naming host and port, never a password; an applied
migration never changes.
"""
