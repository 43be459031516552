"""Sessions: state that outlives a request, such as temporary tables, SET and USE."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.clock import monotonic_seconds
from infra.local.clickhouse.engine import Connection, Engine
from infra.local.clickhouse.errors import (
    SESSION_IS_LOCKED,
    SESSION_NOT_FOUND,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    EngineError,
)
from infra.local.clickhouse.request import Request, SessionRequest

MAX_SESSIONS = 4096
DEFAULT_DATABASE = "default"


@dataclass(slots=True)
class _Session:
    connection: Connection
    expires_seconds: float
    statements: list[bytes] = field(default_factory=list)
    busy: bool = True


class Sessions:
    """Gives each request a connection in the state that it should see.

    Without a session that is a fresh connection. In a session it is the session's own, put back
    after each request into what the session's SET and USE statements made of it; read-only
    requests of a session get a fresh connection with these statements repeated, because the
    engine does not let a connection leave read-only mode (so they do not see temporary tables).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def connection(
        self, request: Request, marker: str, defaults: Mapping[str, str]
    ) -> Iterator[Connection]:
        """A connection prepared for `request`, marked for `Engine.kill`. Raises `EngineError`.

        `defaults` are settings that hold where neither the session nor the request names them.
        """
        self._sweep()
        if request.session is None:
            connection = self._engine.connect()
            try:
                self._prepare(connection, request, marker, defaults)
                yield connection
            finally:
                connection.close()
            return
        session = self._enter(request.session)
        try:
            if request.read_only or "readonly" in request.settings:
                connection = self._engine.connect()
                try:
                    connection.set(defaults)
                    self._replay(connection, session)
                    self._prepare(connection, request, marker, {})
                    yield connection
                finally:
                    connection.close()
            else:
                yield from self._in_session(session, request, marker, defaults)
        finally:
            session.expires_seconds = monotonic_seconds() + request.session.timeout_seconds
            session.busy = False
            if request.options.get("close_session", "0") == "1":
                self._drop(request.session.session_id)

    def remember(self, request: Request, statement: bytes) -> None:
        """Note a SET or USE that succeeded, so that the session keeps it."""
        if request.session is not None:
            with self._lock:
                self._sessions[request.session.session_id].statements.append(statement)

    def close(self) -> None:
        """Drop every session."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.connection.close()

    def _in_session(
        self, session: _Session, request: Request, marker: str, defaults: Mapping[str, str]
    ) -> Iterator[Connection]:
        connection = session.connection
        try:
            if defaults:
                connection.set(defaults)
                self._replay(connection, session)
            self._prepare(connection, request, marker, {})
            yield connection
        finally:
            names = [*defaults, *self._engine.mark(request.settings, marker)]
            connection.reset([name for name in names if self._is_known(connection, name)])
            connection.use(DEFAULT_DATABASE)
            self._replay(connection, session)

    def _is_known(self, connection: Connection, name: str) -> bool:
        try:
            connection.reset([name])
        except EngineError:
            return False
        return True

    def _prepare(
        self, connection: Connection, request: Request, marker: str, defaults: Mapping[str, str]
    ) -> None:
        if request.database:
            connection.use(request.database)
        settings = dict(defaults) | self._engine.mark(request.settings, marker)
        if request.read_only and settings.get("readonly", "0") == "0":
            settings["readonly"] = "2"
        # Read-only comes last: after it nothing else may be set.
        read_only = settings.pop("readonly", None)
        parameters = {f"param_{name}": value for name, value in request.parameters.items()}
        connection.set(settings | parameters)
        if read_only is not None:
            connection.set({"readonly": read_only})

    def _replay(self, connection: Connection, session: _Session) -> None:
        for statement in session.statements:
            connection.execute(statement)

    def _enter(self, wanted: SessionRequest) -> _Session:
        with self._lock:
            session = self._sessions.get(wanted.session_id)
            if session is None:
                if wanted.must_exist:
                    raise EngineError.of(
                        SESSION_NOT_FOUND, f"Session {wanted.session_id} not found."
                    )
                if len(self._sessions) >= MAX_SESSIONS:
                    raise EngineError.of(
                        TOO_MANY_SIMULTANEOUS_QUERIES,
                        f"Too many sessions (more than {MAX_SESSIONS}); close some first.",
                    )
                session = _Session(self._engine.connect(), expires_seconds=float("inf"))
                self._sessions[wanted.session_id] = session
                return session
            if session.busy:
                raise EngineError.of(
                    SESSION_IS_LOCKED,
                    f"Session {wanted.session_id} is locked by a concurrent client.",
                )
            session.busy = True
            return session

    def _drop(self, session_id: str) -> None:
        with self._lock:
            session = self._sessions.pop(session_id, None)
        if session is not None:
            session.connection.close()

    def _sweep(self) -> None:
        now_seconds = monotonic_seconds()
        with self._lock:
            stale = [
                session_id
                for session_id, session in self._sessions.items()
                if not session.busy and session.expires_seconds < now_seconds
            ]
        for session_id in stale:
            self._drop(session_id)
