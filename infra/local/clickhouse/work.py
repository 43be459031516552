"""What a worker thread does for one request: run a query, or feed an insert."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from infra.local.clickhouse import compression, external, formats, native
from infra.local.clickhouse.channels import AnswerChannel
from infra.local.clickhouse.durability import Disk
from infra.local.clickhouse.engine import Connection, Summary
from infra.local.clickhouse.errors import EngineError
from infra.local.clickhouse.request import Request
from infra.local.clickhouse.sessions import Sessions
from infra.local.clickhouse.statement import InsertStatement, QueryStatement

SLICE_BYTES = 1 << 20
HOLD_BYTES = 256 << 10
"""An answer up to this length is sent whole, with its length, its summary and a true status."""

_SESSION_VERBS = frozenset({"SET", "USE"})


@dataclass(slots=True)
class Outcome:
    """How a statement ended: `pieces` is what of the answer did not go through the channel."""

    summary: Summary = field(default_factory=Summary)
    pieces: list[bytes] = field(default_factory=list)


class _Sender:
    """Holds an answer back until it is complete or too long to hold, then lets it flow."""

    def __init__(self, channel: AnswerChannel | None) -> None:
        self._channel = channel
        self._held_bytes = 0
        self.held: list[bytes] = []
        self.flowing = False

    def send(self, piece: bytes) -> None:
        if self.flowing and self._channel is not None:
            self._channel.put(piece)
            return
        self.held.append(piece)
        self._held_bytes += len(piece)
        if self._channel is not None and self._held_bytes > HOLD_BYTES:
            self.flowing = True
            for held in self.held:
                self._channel.put(held)
            self.held = []


def run_query(
    sessions: Sessions,
    request: Request,
    statement: QueryStatement,
    marker: str,
    answer: AnswerChannel,
    broken_off: Callable[[EngineError], bytes],
    defaults: Mapping[str, str],
) -> Outcome:
    """Run a query; a long streamed answer goes to `answer`, any other into the outcome.

    `defaults` are settings that the request may overrule; `broken_off` makes the block that ends an
    answer which an error cuts short.
    """
    output_format = statement.output_format or request.default_format
    streamed = statement.streamable and formats.can_stream(output_format)
    outcome = Outcome()
    sender = _Sender(answer if streamed and not request.buffered else None)
    compressor = (
        compression.compressor(request.answer_encoding) if request.answer_encoding else None
    )
    try:
        with sessions.connection(request, marker, defaults) as connection:
            external.load(connection, request.tables)
            if streamed:
                produced = _stream(connection, statement, output_format, outcome)
            else:
                produced = _execute(connection, statement, output_format, outcome)
            newer = output_format.lower() == "native" and native.applies(request.protocol_version)
            # Closed here, in this thread and before the connection: the engine's stream must not
            # be left to whoever drops the last reference to it.
            with closing(produced):
                try:
                    pieces = native.reframe(produced) if newer else produced
                    _send_all(sender, pieces, compressor)
                except EngineError as error:
                    if sender.flowing:
                        _send_all(sender, [broken_off(error)], compressor)
                    raise
            external.drop(connection, request.tables)
        if statement.verb in _SESSION_VERBS:
            sessions.remember(request, statement.text)
        outcome.pieces = sender.held
        return outcome
    finally:
        answer.end()


def run_insert(
    sessions: Sessions,
    request: Request,
    statement: InsertStatement,
    marker: str,
    body: Iterable[bytes],
    disk: Disk,
) -> Outcome:
    """Feed the rows of `body` to the engine; commit at its end, give up if it breaks off.

    Returns once all of it is on `disk`.
    """
    with sessions.connection(request, marker, {}) as connection:
        insert = connection.insert(statement.head, statement.input_format)
        try:
            size = 0
            for piece in body:
                size += len(piece)
                insert.append(piece)
            disk.require_room(size)  # read to its end: a client listens once all is sent
        except BaseException:
            insert.abort()
            raise
        summary = insert.finish()
        disk.confirm(connection)
        return Outcome(summary)


def _stream(
    connection: Connection, statement: QueryStatement, output_format: str, outcome: Outcome
) -> Generator[bytes | memoryview]:
    joiner = formats.Joiner(output_format)
    with closing(connection.stream(statement.text, output_format, outcome.summary)) as stream:
        for piece in stream:
            yield joiner.add(memoryview(piece))
    yield joiner.end()


def _execute(
    connection: Connection, statement: QueryStatement, output_format: str, outcome: Outcome
) -> Generator[bytes | memoryview]:
    result, outcome.summary = connection.execute(statement.text, output_format)
    if not result.size():
        return
    holder = result.get_memview()
    view = holder.view()
    # In slices: a copy of a large answer in one go would stop every other thread.
    for start in range(0, len(view), SLICE_BYTES):
        yield bytes(view[start : start + SLICE_BYTES])


def _send_all(
    sender: _Sender,
    pieces: Iterable[bytes | memoryview],
    compressor: compression.Compressor | None,
) -> None:
    for piece in pieces:
        data = bytes(piece) if compressor is None else compressor.compress(piece)
        if data:
            sender.send(data)
    if compressor is not None:
        sender.send(compressor.flush())
