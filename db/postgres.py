"""Postgres: one pool, one unit of work. Nothing outside this module begins or commits.

A pool takes on one role, and each unit of work says for which tenant it acts: row-level security
shows it no other rows, whatever its statements say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final, Self

import psycopg
from psycopg import errors
from psycopg import sql as compose
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

import sql
from core.acting import Acting
from core.errors import ConflictError, DependencyDownError, ValidationError

Connection = psycopg.Connection[DictRow]
"""A connection inside a transaction; rows are dicts by column name."""

CONNECTIONS_MAX: Final = 8
"""Connections of one process unless it asks for another number."""

_WAIT_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 3
_SESSION: Final = {
    "TimeZone": "UTC",
    "lock_timeout": "10s",
    "statement_timeout": "120s",
    "idle_in_transaction_session_timeout": "300s",
}
"""Set once per connection, so that a forgotten lock or a runaway statement cannot stop the rest."""

_LONG_WAIT: Final = "SET LOCAL lock_timeout = 0"
_REPEATABLE_READ: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Role(StrEnum):
    """What a process may do; each is a role of the database that its login is a member of."""

    SNAPSHOT = "tollbook_snapshot"
    """Reads the meters and the keys' hashes of all tenants, nothing else; ingest and workers."""

    API = "tollbook_api"
    """Works for the tenant that asks, and only for that one."""

    BILLING = "tollbook_billing"
    """Reads what is sold, writes what is billed."""

    OPERATOR = "tollbook_operator"
    """Makes tenants, and works for any one of them: the commands."""


class Database:
    """Connections to one Postgres database, kept for reuse; safe to share between threads.

    Connects at the first transaction, not before, and never in the background: a server that is
    down fails the transaction that asked, at once and with the server's reason. Use as a context
    manager, or `close()` it. Without a `role` its login is all it has: for migrations and tests.
    """

    def __init__(
        self, url: str, role: Role | None = None, *, connections_max: int = CONNECTIONS_MAX
    ) -> None:
        self._url = url
        self._role = role
        self.address = postgres_address(url)
        self._connections_max = connections_max
        self._slots = threading.BoundedSemaphore(connections_max)
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def transaction(
        self, acting: Acting | None = None, *, snapshot: bool = False
    ) -> Iterator[Connection]:
        """A unit of work: committed when the block ends, rolled back when it raises.

        Until it acts for a tenant, here or by `act`, it sees what its role sees of all tenants:
        little, or nothing. `snapshot=True` makes it read-only and lets every statement see one
        instant.

        Raises `DependencyDownError` when Postgres cannot be reached or goes away, `ConflictError`
        when another transaction held a lock too long or forced this one back. Where the connection
        is lost during the commit itself, the outcome is unknown: writes must bear repetition.
        """
        try:
            with self._connection() as conn, conn.transaction():
                if snapshot:
                    conn.execute(_REPEATABLE_READ)
                if acting is not None:
                    act(conn, acting)
                yield conn
        except psycopg.OperationalError as error:
            raise translated(error, self.address) from error

    def close(self) -> None:
        """Close every connection, those in use when they come back; twice does nothing more."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if not self._slots.acquire(timeout=_WAIT_SECONDS):
            raise DependencyDownError(
                f"Postgres at {self.address}: all {self._connections_max} connections of this"
                " process are busy"
            )
        try:
            conn = self._take_idle() or connect(self._url, self._role)
            try:
                yield conn
            finally:
                if self._closed or conn.closed:
                    conn.close()
                else:
                    self._idle.append(conn)
        finally:
            self._slots.release()

    def _take_idle(self) -> Connection | None:
        """A kept connection that still answers: the server may have restarted meanwhile."""
        while self._idle:
            conn = self._idle.pop()
            if _is_alive(conn):
                return conn
            conn.close()
        return None


def _is_alive(conn: Connection) -> bool:
    """Whether a kept connection answers; it forgets for whom it acted, if anything made it stay."""
    try:
        conn.execute(sql.load("postgres/queries/forget_tenant"))
    except psycopg.OperationalError:
        return False
    return True


def act(conn: Connection, acting: Acting) -> None:
    """Act for a tenant until the transaction ends; for one only, whatever is asked later."""
    conn.execute(
        sql.load("postgres/queries/act"),
        {
            "tenant_id": acting.tenant_id,
            "user_id": acting.user_id,
            "actor": acting.actor,
            "correlation_id": acting.correlation_id,
            "causation_id": acting.causation_id,
        },
    )


def wait_for_locks(conn: Connection) -> None:
    """Until commit, wait for locks as long as a statement may take: others work with them."""
    conn.execute(_LONG_WAIT)


def connect(url: str, role: Role | None = None) -> Connection:
    """One connection of its own in autocommit mode: `Database` is for everything but migrations.

    Raises `DependencyDownError` when the server does not answer within three seconds, or does not
    let this login take on the role.
    """
    conn: Connection | None = None
    try:
        conn = psycopg.connect(
            url, row_factory=dict_row, connect_timeout=_CONNECT_SECONDS, autocommit=True
        )
        _configure(conn, role)
    except psycopg.Error as error:
        if conn is not None:
            conn.close()
        if isinstance(error, psycopg.OperationalError):
            raise translated(error, postgres_address(url)) from error
        raise DependencyDownError(
            f"Postgres at {postgres_address(url)}: {_first_line(error)}; run `tollbook migrate`,"
            f" then GRANT {role} to this login",
            role=role,
        ) from error
    return conn


def postgres_address(url: str) -> str:
    """host:port of a connection URL, for messages. Raises `ValidationError` for another text."""
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise ValidationError(
            "DATABASE_URL: expected postgresql://user:password@host:port/database"
        ) from error
    return f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}"


def translated(
    error: psycopg.OperationalError, address: str
) -> ConflictError | DependencyDownError:
    """The error family of a failure that is not about the statement itself."""
    if isinstance(
        error, errors.LockNotAvailable | errors.DeadlockDetected | errors.SerializationFailure
    ):
        return ConflictError(f"another transaction is in the way, try again: {_first_line(error)}")
    return DependencyDownError(f"Postgres at {address}: {_first_line(error)}", address=address)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _configure(conn: psycopg.Connection[Any], role: Role | None) -> None:
    for name, value in _SESSION.items():
        conn.execute("SELECT set_config(%s, %s, false)", (name, value))
    if role is not None:
        conn.execute(compose.SQL("SET ROLE {}").format(compose.Identifier(role)))
