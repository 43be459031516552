"""What a worker thread does for one request: run a query, or feed an insert."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from infra.local.clickhouse import compression, formats
from infra.local.clickhouse.channels import AnswerChannel
from infra.local.clickhouse.engine import Connection, Summary
from infra.local.clickhouse.request import Request
from infra.local.clickhouse.sessions import Sessions
from infra.local.clickhouse.statement import InsertStatement, QueryStatement

SLICE_BYTES = 1 << 20
_SESSION_VERBS = frozenset({"SET", "USE"})


@dataclass(slots=True)
class Outcome:
    """How a statement ended: `pieces` is what of the answer did not go through the channel."""

    summary: Summary
    pieces: list[bytes] = field(default_factory=list)


def run_query(
    sessions: Sessions,
    request: Request,
    statement: QueryStatement,
    marker: str,
    answer: AnswerChannel,
) -> Outcome:
    """Run a query; a streamed answer goes to `answer`, any other into the outcome."""
    output_format = statement.output_format or request.default_format
    streamed = statement.streamable and formats.can_stream(output_format)
    outcome = Outcome(Summary())
    to_channel = streamed and not request.buffered
    emit: Callable[[bytes], None] = answer.put if to_channel else outcome.pieces.append
    try:
        with sessions.connection(request, marker) as connection:
            if streamed:
                pieces = _stream(connection, statement, output_format)
            else:
                pieces = _execute(connection, statement, output_format, outcome)
            for piece in _encoded(pieces, request.answer_encoding):
                emit(piece)
            if statement.verb in _SESSION_VERBS:
                sessions.remember(request, statement.text)
        return outcome
    finally:
        answer.end()


def run_insert(
    sessions: Sessions,
    request: Request,
    statement: InsertStatement,
    marker: str,
    body: Iterable[bytes],
) -> Outcome:
    """Feed the rows of `body` to the engine; commit at its end, give up if it breaks off."""
    with sessions.connection(request, marker) as connection:
        insert = connection.insert(statement.head, statement.input_format)
        try:
            for piece in body:
                insert.append(piece)
        except BaseException:
            insert.abort()
            raise
        return Outcome(insert.finish())


def _stream(
    connection: Connection, statement: QueryStatement, output_format: str
) -> Iterator[bytes | memoryview]:
    joiner = formats.Joiner(output_format)
    for piece in connection.stream(statement.text, output_format):
        yield joiner.add(memoryview(piece))
    yield joiner.end()


def _execute(
    connection: Connection, statement: QueryStatement, output_format: str, outcome: Outcome
) -> Iterator[bytes | memoryview]:
    result, outcome.summary = connection.execute(statement.text, output_format)
    if not result.size():
        return
    holder = result.get_memview()
    view = holder.view()
    # In slices: a copy of a large answer in one go would stop every other thread.
    for start in range(0, len(view), SLICE_BYTES):
        yield bytes(view[start : start + SLICE_BYTES])


def _encoded(pieces: Iterable[bytes | memoryview], encoding: str | None) -> Iterator[bytes]:
    if encoding is None:
        yield from (bytes(piece) for piece in pieces if len(piece))
        return
    compressor = compression.compressor(encoding)
    for piece in pieces:
        compressed = compressor.compress(piece)
        if compressed:
            yield compressed
    yield compressor.flush()
