"""Postgres: one pool, one unit of work. Nothing outside this module begins or commits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

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

_REPEATABLE_READ: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Database:
    """Connections to one Postgres database, kept for reuse; safe to share between threads.

    Connects at the first transaction, not before, and never in the background: a server that is
    down fails the transaction that asked, at once and with the server's reason. Use as a context
    manager, or `close()` it.
    """

    def __init__(self, url: str, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self._url = url
        self.address = postgres_address(url)
        self._connections_max = connections_max
        self._slots = threading.BoundedSemaphore(connections_max)
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def transaction(self, *, snapshot: bool = False) -> Iterator[Connection]:
        """A unit of work: committed when the block ends, rolled back when it raises.

        `snapshot=True` makes it read-only and lets every statement see one instant.

        Raises `DependencyDownError` when Postgres cannot be reached or goes away, `ConflictError`
        when another transaction held a lock too long or forced this one back. Where the connection
        is lost during the commit itself, the outcome is unknown: writes must bear repetition.
        """
        try:
            with self._connection() as conn, conn.transaction():
                if snapshot:
                    conn.execute(_REPEATABLE_READ)
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
            conn = self._take_idle() or connect(self._url)
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
    try:
        conn.execute("")
    except psycopg.OperationalError:
        return False
    return True


def connect(url: str) -> Connection:
    """One connection of its own in autocommit mode: `Database` is for everything but migrations.

    Raises `DependencyDownError` when the server does not answer within three seconds.
    """
    try:
        conn = psycopg.connect(
            url, row_factory=dict_row, connect_timeout=_CONNECT_SECONDS, autocommit=True
        )
        _configure(conn)
    except psycopg.OperationalError as error:
        raise translated(error, postgres_address(url)) from error
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


def _configure(conn: psycopg.Connection[Any]) -> None:
    for name, value in _SESSION.items():
        conn.execute("SELECT set_config(%s, %s, false)", (name, value))
