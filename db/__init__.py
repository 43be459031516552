"""Connections, transactions and schema migrations for Postgres and ClickHouse.

Owns: the Postgres pool and its unit of work, the ClickHouse client, the migration runner and its
ledger. Does not own: tables, queries or any business word.
Invariants: only this package opens connections and commits; a server that cannot be reached is a
`DependencyDownError` naming host and port, never a password; an applied migration never changes.
"""
