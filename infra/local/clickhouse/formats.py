"""What is particular to a format: its content type, and how pieces of an answer fit together.

The engine gives a streamed answer in pieces, each a document of its own. Formats without a head
are joined by putting the pieces side by side; for the others the repeated heads are taken off.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from infra.local.clickhouse.errors import UNKNOWN_FORMAT, EngineError

DEFAULT_OUTPUT = "TabSeparated"

_ARROW_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_ARROW_PREFIX_BYTES = 8

_PLAIN = frozenset({
    "csv", "jsoncompacteachrow", "jsoncompactstringseachrow", "jsoneachrow", "jsonlines",
    "jsonstringseachrow", "lineasstring", "msgpack", "native", "ndjson", "null", "rawblob",
    "rowbinary", "tabseparated", "tabseparatedraw", "tsv", "tsvraw",
})  # fmt: skip

_IN_PROCESS_ONLY = frozenset({"arrowtable", "dataframe", "datastore"})
"""Names that chDB itself understands as Python objects; over HTTP they do not exist."""

_TEXT = "text/plain; charset=UTF-8"
_JSON = "application/json; charset=UTF-8"
_JSON_LINES = "application/x-ndjson; charset=UTF-8"
_CSV = "text/csv; charset=UTF-8; header={}"
_TSV = "text/tab-separated-values; charset=UTF-8"
_BINARY = "application/octet-stream"


def content_type(name: str) -> str:
    """The media type that goes with an output format, as the server names it."""
    lower = name.lower()
    with_names = "present" if "withnames" in lower else "absent"
    rules: tuple[tuple[str, str], ...] = (
        ("json.*(eachrow|lines)|ndjson|jsonlines", _JSON_LINES),
        ("json", _JSON),
        ("csv", _CSV.format(with_names)),
        ("tabseparated|tsv", _TSV),
        ("native|rowbinary|parquet|orc|avro|msgpack|protobuf|capnproto|npy|bson", _BINARY),
        ("arrow", "application/vnd.apache.arrow.stream" if lower == "arrowstream" else _BINARY),
        ("xml", "application/xml; charset=UTF-8"),
    )
    return next((media for pattern, media in rules if re.match(pattern, lower)), _TEXT)


def check_name(name: str) -> str:
    """`name`, if it can be a format's. Raises `EngineError` with UNKNOWN_FORMAT."""
    if not name.isidentifier() or name.lower() in _IN_PROCESS_ONLY:
        raise EngineError.of(UNKNOWN_FORMAT, f"Unknown format {name}.")
    return name


Cut = Callable[[memoryview], tuple[int, int]]
"""Where in a piece its content lies: (length of the head, length of the tail), in bytes."""


def _headless(piece: memoryview) -> tuple[int, int]:
    del piece
    return 0, 0


def _arrow_stream(piece: memoryview) -> tuple[int, int]:
    schema_bytes = int.from_bytes(piece[4:_ARROW_PREFIX_BYTES], "little")
    ends = bytes(piece[-len(_ARROW_END) :]) == _ARROW_END
    return _ARROW_PREFIX_BYTES + schema_bytes, len(_ARROW_END) if ends else 0


def _lines(pattern: bytes) -> Cut:
    compiled = re.compile(pattern)

    def cut(piece: memoryview) -> tuple[int, int]:
        found = compiled.match(piece)
        return (found.end() if found is not None else 0), 0

    return cut


_CSV_LINE = rb'(?:"(?:[^"]|"")*"|[^"\n])*\n'
_TSV_LINE = rb"[^\n]*\n"
_CUTS: dict[str, Cut] = {
    "arrowstream": _arrow_stream,
    "csvwithnames": _lines(_CSV_LINE),
    "csvwithnamesandtypes": _lines(_CSV_LINE * 2),
    "tabseparatedwithnames": _lines(_TSV_LINE),
    "tabseparatedwithnamesandtypes": _lines(_TSV_LINE * 2),
    "tsvwithnames": _lines(_TSV_LINE),
    "tsvwithnamesandtypes": _lines(_TSV_LINE * 2),
} | dict.fromkeys(_PLAIN, _headless)


def can_stream(name: str) -> bool:
    """Whether pieces of this format can be joined into one answer."""
    return name.lower() in _CUTS


class Joiner:
    """Turns the pieces of one streamed answer into one document."""

    def __init__(self, name: str) -> None:
        self._cut = _CUTS[name.lower()]
        self._first = True
        self._tail = b""

    def add(self, piece: memoryview) -> memoryview:
        """The part of the next piece that belongs into the answer; the last tail is kept back."""
        head, tail = self._cut(piece)
        if tail:
            self._tail = bytes(piece[len(piece) - tail :])
        start = 0 if self._first else head
        self._first = False
        return piece[start : len(piece) - tail]

    def end(self) -> bytes:
        """What closes the document."""
        return self._tail
