"""The HTTP server: routes, authentication, and the way of one request through the engine."""

from __future__ import annotations

import asyncio
import hmac
import logging
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from infra.local.clickhouse import compression, external, priority
from infra.local.clickhouse import statement as statements
from infra.local.clickhouse.admission import Admission, Limits
from infra.local.clickhouse.body import Body, Receive
from infra.local.clickhouse.channels import AnswerChannel, BodyChannel, ClientGoneError
from infra.local.clickhouse.durability import Disk
from infra.local.clickhouse.engine import Engine
from infra.local.clickhouse.errors import (
    AUTHENTICATION_FAILED,
    QUERY_IS_TOO_LARGE,
    UNKNOWN_EXCEPTION,
    EngineError,
)
from infra.local.clickhouse.request import (
    Credentials,
    Request,
    credentials_of,
    headers_of,
    options_of,
    request_of,
    with_form,
)
from infra.local.clickhouse.responses import Reply, Send, answer_headers
from infra.local.clickhouse.sessions import Sessions
from infra.local.clickhouse.statement import InsertStatement, NeedMoreError, QueryStatement
from infra.local.clickhouse.work import Outcome, run_insert, run_query

LOG = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]

CHANNEL_DEPTH = 4
MAX_QUERY_BYTES = 64 << 20
_COMMENT_SHOWN = 2000
_OK_PATHS = frozenset({"/ping", "/replicas_status"})
_READING_VERBS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN"})
"""Statements that answer with rows; they are stopped when their client goes away."""


class Application:
    """The ASGI application over one engine."""

    def __init__(self, engine: Engine, owner: Credentials, limits: Limits, disk: Disk) -> None:
        self._engine = engine
        self.disk = disk
        self._owner = owner
        self._limits = limits
        self._sessions = Sessions(engine)
        self._admission = Admission(limits)
        self._workers = ThreadPoolExecutor(limits.running, thread_name_prefix="query")
        self._killers = ThreadPoolExecutor(2, thread_name_prefix="kill")
        self._query_settings = priority.of_queries(engine)
        self._time_zone = engine.scalar(b"SELECT timezone()")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        assert scope["type"] == "http", "start the server without lifespan and websockets"
        reply = Reply(send, self._limits.idle_seconds, head_only=scope["method"] == "HEAD")
        path = scope["path"]
        if path in _OK_PATHS:
            await reply.text(200, "Ok.\n")
        elif path != "/":
            await reply.text(404, f"There is no handle {path}\n\nUse / or /ping.\n")
        else:
            try:
                await self._handle(scope, receive, reply)
            except EngineError as error:
                if reply.started:
                    raise
                await reply.error(error)
            except ClientGoneError:
                LOG.info("a client went away before its request was answered")

    def close(self) -> None:
        """Stop what still runs, wait for it, then drop the sessions."""
        self._engine.kill("")
        self._workers.shutdown(wait=True)
        self._killers.shutdown(wait=True)
        self._sessions.close()

    async def _handle(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        headers = headers_of(scope["headers"])
        options = options_of(scope["query_string"])
        self._authenticate(credentials_of(headers, options))
        request = request_of(scope["method"], headers, options)
        reply.headers |= {
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Timezone": request.settings.get("session_timezone") or self._time_zone,
        }
        if request.read_only and not request.query:
            await reply.text(200, "Ok.\n")
            return
        async with self._admission.place():
            body = Body(receive, self._limits.idle_seconds)
            await _Exchange(self, request, body, receive, reply).run()

    def _authenticate(self, given: Credentials) -> None:
        same_user = hmac.compare_digest(given.user.encode(), self._owner.user.encode())
        same_password = hmac.compare_digest(given.password.encode(), self._owner.password.encode())
        if not (same_user and same_password):
            raise EngineError.of(
                AUTHENTICATION_FAILED,
                f"{given.user}: Authentication failed: password is incorrect,"
                " or there is no user with such name.",
            )

    async def in_worker(self, call: Callable[[], Outcome]) -> Outcome:
        """Run `call` in a worker thread; anything unexpected becomes an `EngineError`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, call)
        except (EngineError, ClientGoneError, asyncio.CancelledError):
            raise
        except Exception as error:
            LOG.exception("a request failed inside this server")
            raise EngineError.of(UNKNOWN_EXCEPTION, f"{type(error).__name__}: {error}") from error

    @property
    def sessions(self) -> Sessions:
        """The sessions that requests run in."""
        return self._sessions

    def default_settings(self, statement: QueryStatement) -> Mapping[str, str]:
        """Settings for what only reads; what writes or changes tables is not held back."""
        return self._query_settings if statement.verb in _READING_VERBS else {}

    async def kill(self, marker: str) -> None:
        """Stop what runs under `marker`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._killers, self._engine.kill, marker)


class _Exchange:
    """One request on its way through the engine."""

    def __init__(
        self, app: Application, request: Request, body: Body, receive: Receive, reply: Reply
    ) -> None:
        self._app = app
        self._request = request
        self._body = body
        self._receive = receive
        self._reply = reply
        self._marker = uuid.uuid4().hex
        encoding = request.content_encoding
        self._decompressor = compression.Decompressor(encoding) if encoding else None

    async def run(self) -> None:
        """Read the statement, run it, answer."""
        text, statement = await self._read_statement()
        if isinstance(statement, InsertStatement):
            await self._insert(text[statement.data_offset :], statement)
        else:
            await self._query(statement)

    async def _read_statement(self) -> tuple[bytes, statements.Statement]:
        """The text up to where the statement is understood, decompressed."""
        if self._request.content_type.startswith(external.MULTIPART):
            await self._read_form()
        text = self._request.query.encode("utf-8", "surrogateescape")
        if text and not self._request.read_only:
            text += b"\n"
        while True:
            if len(text) > MAX_QUERY_BYTES:
                raise self._too_large()
            try:
                return text, statements.parse(text, complete=self._body.complete)
            except NeedMoreError:
                text += self._plain(await self._body.read_some())

    async def _read_form(self) -> None:
        parts: list[bytes] = []
        while data := await self._body.read_some():
            parts.append(self._plain(data))
            if sum(map(len, parts)) > MAX_QUERY_BYTES:
                raise self._too_large()
        form = external.parse_form(self._request.content_type, b"".join(parts))
        self._request = with_form(self._request, form)

    def _too_large(self) -> EngineError:
        return EngineError.of(
            QUERY_IS_TOO_LARGE, f"The query is longer than {MAX_QUERY_BYTES} bytes."
        )

    def _plain(self, data: bytes) -> bytes:
        if self._decompressor is None:
            return data
        plain = self._decompressor.feed(data)
        if self._body.complete:
            self._decompressor.finish()
        return plain

    async def _insert(self, first: bytes, statement: InsertStatement) -> None:
        channel = BodyChannel(CHANNEL_DEPTH)
        rows = channel.decoded(first, self._decompressor)
        request, marker, sessions = self._request, self._marker, self._app.sessions
        disk = self._app.disk
        worker = asyncio.ensure_future(
            self._app.in_worker(
                lambda: run_insert(sessions, request, statement, marker, rows, disk)
            )
        )
        try:
            while piece := await self._body.read_piece():
                if not await channel.put(piece):
                    break
            channel.end()
        except BaseException as error:
            channel.fail(ClientGoneError())
            await asyncio.wait([worker])
            LOG.warning("an INSERT broke off before its end and was given up: %r", error)
            raise
        outcome = await worker
        self._note(statement)
        headers = answer_headers(None, None, outcome.summary)
        await self._reply.whole(200, [], headers)

    def _note(self, statement: InsertStatement) -> None:
        """An INSERT with a comment is one that somebody may look for."""
        comment = self._request.settings.get("log_comment")
        if comment:
            head = b" ".join(statement.head.split(maxsplit=3)[:3]).decode(errors="replace")
            LOG.info("query %s: %s: %r", self._request.query_id, head, comment[:_COMMENT_SHOWN])

    async def _query(self, statement: QueryStatement) -> None:
        answer = AnswerChannel(CHANNEL_DEPTH)
        broken_off = self._reply.exception_block
        request, marker, sessions = self._request, self._marker, self._app.sessions
        defaults = self._app.default_settings(statement)
        worker = asyncio.ensure_future(
            self._app.in_worker(
                lambda: run_query(
                    sessions, request, statement, marker, answer, broken_off, defaults
                )
            )
        )
        watcher = asyncio.ensure_future(self._watch(answer, statement))
        try:
            await self._answer(answer, worker, statement)
        finally:
            watcher.cancel()
            answer.cancel()
            if not worker.done():
                await self._stop(worker, statement)
            if not worker.cancelled():
                worker.exception()  # Looked at, so that it is not reported as forgotten.

    async def _watch(self, answer: AnswerChannel, statement: QueryStatement) -> None:
        """Stop the query when its client goes away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        answer.cancel()
        LOG.info("query %s: its client went away", self._request.query_id)
        if statement.verb in _READING_VERBS:
            await self._app.kill(self._marker)

    async def _stop(self, worker: asyncio.Future[Outcome], statement: QueryStatement) -> None:
        """Give the place back only when the engine has really let go of the query."""
        if statement.verb in _READING_VERBS:
            await self._app.kill(self._marker)
        await asyncio.wait([worker])

    async def _answer(
        self, answer: AnswerChannel, worker: asyncio.Future[Outcome], statement: QueryStatement
    ) -> None:
        output_format = statement.output_format or self._request.default_format
        encoding = self._request.answer_encoding
        first = await answer.get()
        if first is None:
            outcome = await worker
            gives_rows = bool(outcome.pieces) or statement.verb in _READING_VERBS
            named = output_format if gives_rows else None
            headers = answer_headers(named, encoding, outcome.summary)
            await self._reply.whole(200, outcome.pieces, headers)
            return
        await self._reply.begin(answer_headers(output_format, encoding, None))
        piece: bytes | None = first
        while piece is not None:
            await self._reply.piece(piece)
            piece = await answer.get()
        try:
            await worker
        except EngineError as error:
            # The status is sent; returning without the last chunk closes the connection, so that
            # no client takes the answer for complete.
            LOG.warning("an answer broke off: %s", error)
            return
        await self._reply.end()
