"""The embedded engine: one directory, many connections, each with a state of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb
from chdb import ChdbError

from core.clock import monotonic_seconds
from infra.local.clickhouse.errors import UNKNOWN_EXCEPTION, EngineError

LOG = logging.getLogger(__name__)

_QUOTED = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0"})
_MARK_SETTING = "log_comment"
"""A setting that shows in `system.processes`: the handle by which a running query is found."""


@dataclass(slots=True)
class Summary:
    """What a statement read and wrote; rows and bytes as the server counts them."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_nanos: int = 0


_open: Callable[[str], Any] = chdb.connect  # chdb types only a part of itself


def quote(text: str) -> str:
    """`text` as a string literal of ClickHouse."""
    return f"'{text.translate(_QUOTED)}'"


def quote_name(name: str) -> str:
    """`name` as a quoted identifier of ClickHouse."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


class Connection:
    """One conversation with the engine. Not for two threads at once; close it when done."""

    def __init__(self, raw: Any) -> None:
        self._chdb = raw
        # The raw connection gives pieces of a stream with their row counts, and the last piece of
        # an empty answer (its head), which the wrapper's iterator drops.
        self._raw = raw._conn  # noqa: SLF001 - see above

    def close(self) -> None:
        """End the conversation; an insert that was not finished is dropped."""
        self._chdb.close()

    def use(self, database: str) -> None:
        """Make `database` the one that unqualified names mean."""
        self.execute(f"USE {quote_name(database)}".encode())

    def set(self, settings: Mapping[str, str]) -> None:
        """Apply settings (and `param_…` values) to this conversation, all or none."""
        pairs = ", ".join(
            f"{quote_name(name)} = {quote(value)}" for name, value in settings.items()
        )
        if pairs:
            self.execute(f"SET {pairs}".encode("utf-8", "surrogateescape"))

    def reset(self, names: list[str]) -> None:
        """Set settings back to their defaults."""
        if names:
            pairs = ", ".join(f"{quote_name(name)} = DEFAULT" for name in names)
            self.execute(f"SET {pairs}".encode())

    def execute(self, statement: bytes, output_format: str = "Null") -> tuple[Any, Summary]:
        """Run a statement to its end: the answer's bytes (a buffer) and a summary."""
        began = monotonic_seconds()
        try:
            result = self._chdb.query(statement, output_format)
        except (ChdbError, RuntimeError) as error:
            raise EngineError.from_engine(str(error)) from None
        summary = Summary(
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read(),
            result_bytes=result.size(),
            elapsed_nanos=int((monotonic_seconds() - began) * 1e9),
        )
        return result, summary

    def stream(self, statement: bytes, output_format: str, summary: Summary) -> Generator[bytes]:
        """Run a query; the pieces of its answer as the engine makes them, at least one.

        `summary` counts along.
        """
        began = monotonic_seconds()
        try:
            stream = self._chdb.send_query(statement, output_format)
            handle = stream._result  # noqa: SLF001 - see the constructor
        except (ChdbError, RuntimeError) as error:
            raise EngineError.from_engine(str(error)) from None
        count = 0
        ended = False
        try:
            while True:
                piece = self._raw.streaming_fetch_result(handle)
                rows = 0 if piece is None else piece.rows_read()
                if piece is not None and (rows or not count):
                    # What the engine read so far is told with the first piece and never again.
                    summary.read_rows += piece.storage_rows_read()
                    summary.read_bytes += piece.storage_bytes_read()
                    summary.result_rows += rows
                    summary.result_bytes += piece.size()
                    summary.elapsed_nanos = int((monotonic_seconds() - began) * 1e9)
                    yield piece.bytes()
                    count += 1
                if not rows:
                    ended = True
                    return
        except (ChdbError, RuntimeError) as error:
            ended = True
            raise EngineError.from_engine(str(error)) from None
        finally:
            if not ended:
                stream.cancel()

    def insert(self, head: bytes, input_format: str) -> Insert:
        """Begin an INSERT whose rows come in pieces."""
        try:
            return Insert(self._chdb.send_insert(head, input_format))
        except (ChdbError, RuntimeError) as error:
            raise EngineError.from_engine(str(error)) from None


class Insert:
    """Rows on their way into a table: nothing is acknowledged before `finish`."""

    def __init__(self, inserter: Any) -> None:
        self._inserter = inserter
        self._began = monotonic_seconds()

    def append(self, data: bytes) -> None:
        """Give the next piece; blocks while the engine is behind. Raises `EngineError`."""
        try:
            self._inserter.append(data)
        except (ChdbError, RuntimeError) as error:
            raise EngineError.from_engine(str(error)) from None

    def finish(self) -> Summary:
        """Write what is left, commit, and say how much was written. Raises `EngineError`."""
        try:
            result = self._inserter.finish()
        except (ChdbError, RuntimeError) as error:
            raise EngineError.from_engine(str(error)) from None
        return Summary(
            written_rows=result.rows_written,
            written_bytes=result.bytes_written,
            result_rows=result.rows_written,
            result_bytes=result.bytes_written,
            elapsed_nanos=int((monotonic_seconds() - self._began) * 1e9),
        )

    def abort(self) -> None:
        """Give up: rows of blocks that the engine has already written stay, no others appear."""
        try:
            self._inserter.cancel()
        except (ChdbError, RuntimeError):
            LOG.warning("an insert could not be cancelled cleanly", exc_info=True)


class Engine:
    """The engine over one directory, open from construction to `close`."""

    def __init__(self, directory: Path, memory_bytes: int | None) -> None:
        options = "" if memory_bytes is None else f"?max_server_memory_usage={memory_bytes}"
        self._address = f"{directory}{options}"
        # The engine shuts down with its last connection, so one is kept.
        self._keeper = self.connect()
        self._keeper.execute(b"SELECT 1")

    def connect(self) -> Connection:
        """A fresh connection: default settings, database `default`. Takes 0.1 ms."""
        try:
            return Connection(_open(self._address))
        except RuntimeError as error:
            raise EngineError.of(UNKNOWN_EXCEPTION, str(error)) from None

    def scalar(self, statement: bytes) -> str:
        """One value as text, for questions of our own."""
        connection = self.connect()
        try:
            result, _ = connection.execute(statement, "TSVRaw")
            return bytes(result.bytes()).decode().strip()
        finally:
            connection.close()

    def mark(self, settings: Mapping[str, str], marker: str) -> dict[str, str]:
        """`settings` with the marker by which `kill` finds what runs under them."""
        comment = settings.get(_MARK_SETTING, "")
        return dict(settings) | {_MARK_SETTING: f"{comment} {marker}".strip()}

    def kill(self, marker: str) -> None:
        """Ask the engine to stop what runs under this marker, or everything if it is empty.

        A query stops at its next block.
        """
        pattern = quote(f"%{marker}")
        connection = self.connect()
        try:
            connection.execute(
                f"KILL QUERY WHERE Settings['{_MARK_SETTING}'] LIKE {pattern} ASYNC".encode()
            )
        finally:
            connection.close()

    def close(self) -> None:
        """Shut the engine down; further connections start it again."""
        self._keeper.close()
