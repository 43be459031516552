"""Bring both databases to the current schema: forward only, one runner at a time.

Postgres: an advisory lock; each file and its ledger row are one transaction.

ClickHouse has neither, so the lock is a table: `CREATE TABLE` without `IF NOT EXISTS` succeeds for
exactly one runner, on a server as in the embedded engine. A lock that a killed runner left behind
is stolen after its lease by a rename to a name made of its UUID, which again succeeds once only. A
file may be run again when its runner died before the ledger row, so every statement is idempotent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

import sql
from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.errors import ConflictError, DependencyDownError, InternalError
from db.clickhouse import connect_clickhouse, ensure_clickhouse_database, parse_clickhouse_url
from db.cluster import Cluster, cluster_of, sharded_tables
from db.migrations import AppliedMigration, Migration, discover, pending
from db.postgres import Connection, connect, postgres_address, translated
from db.tenancy import find_offenders

LOCK_WAIT_SECONDS: Final = 60.0
"""How long a runner waits for another one before it gives up."""

CLICKHOUSE_LEASE_SECONDS: Final = 300
"""After this time a ClickHouse lock is taken for the remains of a killed runner."""

_POLL_SECONDS: Final = 0.1
_TABLE_EXISTS: Final = "TABLE_ALREADY_EXISTS"
_ADVISORY_KEY: Final = 0x70_11_B0_0C


def migrate(endpoints: Endpoints, cluster: Cluster | None = None) -> list[str]:
    """Migrate Postgres, then ClickHouse; the files applied, as `postgres/0001_…`."""
    return [
        *(f"postgres/{name}" for name in migrate_postgres(endpoints.postgres)),
        *(f"clickhouse/{name}" for name in migrate_clickhouse(endpoints.clickhouse, None, cluster)),
    ]


def migrate_postgres(url: str, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what the database lacks of `migrations` (all files by default); the names applied.

    Raises `ConflictError` when an applied file was changed or another runner holds the lock for a
    minute, `DependencyDownError` when Postgres does not answer, `InternalError` naming the file
    whose SQL failed (nothing of that file stays).
    """
    files = discover("postgres") if migrations is None else migrations
    address = postgres_address(url)
    try:
        with connect(url) as conn:
            conn.execute("SELECT set_config('lock_timeout', %s, false)", (f"{LOCK_WAIT_SECONDS}s",))
            conn.execute("SELECT set_config('statement_timeout', '0', false)")
            conn.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_KEY,))
            conn.execute(sql.load("postgres/queries/create_schema_migrations"))
            rows = conn.execute(sql.load("postgres/queries/select_schema_migrations")).fetchall()
            needed = pending(files, [AppliedMigration(**row) for row in rows])
            conn.execute("SELECT set_config('lock_timeout', '10s', false)")
            for migration in needed:
                _apply_to_postgres(conn, migration)
            if migrations is None:
                _check_tenancy(conn)
    except psycopg.OperationalError as error:
        raise translated(error, address) from error
    return [migration.name for migration in needed]


def _check_tenancy(conn: Connection) -> None:
    with conn.transaction():
        offenders = find_offenders(conn)
    if offenders:
        raise InternalError(f"tenants are not kept apart: {'; '.join(map(str, offenders))}")


def _apply_to_postgres(conn: psycopg.Connection[Any], migration: Migration) -> None:
    try:
        with conn.transaction():
            conn.execute(migration.text.encode())
            conn.execute(
                sql.load("postgres/queries/insert_schema_migration"),
                {
                    "number": migration.number,
                    "name": migration.name,
                    "sha256": migration.sha256,
                },
            )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise InternalError(f"postgres/{migration.name}: {error}") from error


def migrate_clickhouse(
    url: str, migrations: Sequence[Migration] | None = None, cluster: Cluster | None = None
) -> list[str]:
    """Create the database if missing, then apply what it lacks; the names applied.

    `cluster` makes the first migration one of a cluster; later ones know it. Raises as
    `migrate_postgres` does, and `ConflictError` where the database was made for another cluster or
    for none; of a file that failed, earlier statements stay and are repeated by the next run.
    """
    files = discover("clickhouse") if migrations is None else migrations
    ensure_clickhouse_database(url)
    client = connect_clickhouse(url)
    try:
        with _clickhouse_lock(client, monotonic_seconds() + LOCK_WAIT_SECONDS):
            cluster = _settled_cluster(client, cluster)
            for name in ("create_database", "create_schema_migrations"):
                made = sql.load(f"clickhouse/queries/{name}").strip()
                for statement in cluster.render(made, frozenset()) if cluster else (made,):
                    client.command(statement, parameters={"database": client.database})
            rows = client.query(sql.load("clickhouse/queries/select_schema_migrations")).result_rows
            needed = pending(files, [AppliedMigration(*row) for row in rows])
            sharded = sharded_tables(tuple(one for file in files for one in file.statements))
            for migration in needed:
                _apply_to_clickhouse(client, migration, cluster, sharded)
    except OperationalError as error:
        address = parse_clickhouse_url(url)
        raise DependencyDownError(f"ClickHouse at {address} went away: {error}") from error
    finally:
        client.close()
    return [migration.name for migration in needed]


def _settled_cluster(client: Client, wanted: Cluster | None) -> Cluster | None:
    """The cluster that the database belongs to, which its first migration settles for good."""
    found = cluster_of(client)
    empty = not client.query(sql.load("clickhouse/queries/count_tables")).result_rows[0][0]
    if wanted not in {None, found} and not empty:
        now = f"the cluster {found.name}" if found else "a single server"
        raise ConflictError(
            f"{client.database} was made for {now}; a cluster needs a database of its own:"
            " migrate an empty one, then `tollbook rebuild` it from the log"
        )
    return found or wanted


def _apply_to_clickhouse(
    client: Client, migration: Migration, cluster: Cluster | None, sharded: frozenset[str]
) -> None:
    try:
        for statement in migration.statements:
            for made in cluster.render(statement, sharded) if cluster else (statement,):
                client.command(made)
        client.command(
            sql.load("clickhouse/queries/insert_schema_migration"),
            parameters={
                "number": migration.number,
                "name": migration.name,
                "sha256": migration.sha256,
            },
        )
    except OperationalError:
        raise
    except ClickHouseError as error:
        raise InternalError(f"clickhouse/{migration.name}: {error}") from error


@contextmanager
def _clickhouse_lock(client: Client, give_up_at_seconds: float) -> Iterator[None]:
    stolen = ""
    while not _try_lock(client):
        stolen = _steal_stale_lock(client) or stolen
        if monotonic_seconds() > give_up_at_seconds:
            raise ConflictError(
                f"another migration of {client.database} is running; a lock left behind by a killed"
                f" one is released {CLICKHOUSE_LEASE_SECONDS} seconds after its start"
            )
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        client.command(sql.load("clickhouse/queries/drop_migration_lock"))
        if stolen:
            # Not earlier: while it exists, no second thief can take our lock for the old one.
            client.command(
                sql.load("clickhouse/queries/drop_stale_lock"), parameters={"stale": stolen}
            )


def _try_lock(client: Client) -> bool:
    try:
        client.command(sql.load("clickhouse/queries/create_migration_lock"))
    except DatabaseError as error:
        if _TABLE_EXISTS in str(error):
            return False
        raise
    return True


def _steal_stale_lock(client: Client) -> str | None:
    """Move a lock older than its lease out of the way; its new name, None when there was none."""
    rows = client.query(
        sql.load("clickhouse/queries/select_stale_lock"),
        parameters={"lease_seconds": CLICKHOUSE_LEASE_SECONDS},
    ).result_rows
    if not rows:
        return None
    stale = f"schema_migrations_lock_{rows[0][0].hex}"
    try:
        client.command(
            sql.load("clickhouse/queries/rename_stale_lock"), parameters={"stale": stale}
        )
    except DatabaseError:
        return None  # another runner was faster
    return stale
