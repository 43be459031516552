"""Native blocks as newer clients ask for them with `client_protocol_version`.

The embedded engine writes the format's first revision. From revision 54454 on a block begins with
its block info, and each column's type is followed by a byte that says whether the column is
serialized in a special way (it never is here). To put these in, the columns' ends must be found,
so their types are read. clickhouse-go, and with it Grafana's data source, needs this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infra.local.clickhouse.errors import NOT_IMPLEMENTED, EngineError

MIN_VERSION = 54454
_BLOCK_INFO = bytes([1, 0, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0])
_NO_SPECIAL_SERIALIZATION = b"\0"
_INDEX_WIDTHS = {0: 1, 1: 2, 2: 4, 3: 8}
_HAS_ADDITIONAL_KEYS = 1 << 9

_WIDTHS = {
    "Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Nothing": 1,
    "Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
    "Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "Time": 4, "IPv4": 4,
    "Decimal32": 4,
    "Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Time64": 8, "Decimal64": 8,
    "Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16,
    "Int256": 32, "UInt256": 32, "Decimal256": 32,
}  # fmt: skip
_DECIMAL_WIDTHS = ((9, 4), (18, 8), (38, 16), (76, 32))
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}
_FAMILY = re.compile(r"\w+")


def applies(protocol_version: int) -> bool:
    """Whether a client that speaks this version expects the newer framing."""
    return protocol_version >= MIN_VERSION


def reframe(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Native blocks with block info; a block may be spread over pieces.

    Raises `EngineError` for types whose layout is not known here.
    """
    waiting = b""
    for piece in pieces:
        waiting += bytes(piece)
        reader = _Reader(waiting)
        done = 0
        try:
            while done < len(waiting):
                block = _reframe_block(reader)
                done = reader.offset
                yield block
        except IndexError:
            pass  # The rest of this block is in the next piece.
        waiting = waiting[done:]


@dataclass(slots=True)
class _Reader:
    """Walks over a buffer; `IndexError` where it ends too early."""

    data: bytes
    offset: int = 0

    def skip(self, count: int) -> None:
        self.offset += count
        if self.offset > len(self.data):
            raise IndexError

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.offset]
            self.offset += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the continuation bit of LEB128
                return value
            shift += 7

    def text(self) -> str:
        start_bytes = self.varint()
        self.skip(start_bytes)
        return self.data[self.offset - start_bytes : self.offset].decode()

    def uint64(self) -> int:
        self.skip(8)
        return int.from_bytes(self.data[self.offset - 8 : self.offset], "little")


def _reframe_block(reader: _Reader) -> bytes:
    start = reader.offset
    column_count = reader.varint()
    row_count = reader.varint()
    parts = [_BLOCK_INFO, reader.data[start : reader.offset]]
    for _ in range(column_count):
        start = reader.offset
        reader.text()
        type_name = reader.text()
        parts += [reader.data[start : reader.offset], _NO_SPECIAL_SERIALIZATION]
        start = reader.offset
        if row_count:
            _skip_prefix(reader, type_name)
            _skip_column(reader, type_name, row_count)
        parts.append(reader.data[start : reader.offset])
    return b"".join(parts)


def _skip_prefix(reader: _Reader, type_name: str) -> None:
    """What precedes all data of a column: the version of each low-cardinality part."""
    family, arguments = _split(type_name)
    if family == "LowCardinality":
        reader.skip(8)
    elif family in {"Array", "Map", "Nullable", "Tuple", "Nested", "SimpleAggregateFunction"}:
        for argument in arguments:
            _skip_prefix(reader, argument)


def _skip_column(reader: _Reader, type_name: str, rows: int) -> None:
    family, arguments = _split(type_name)
    width = _width(family, arguments)
    if width is not None:
        reader.skip(rows * width)
    elif family == "String":
        for _ in range(rows):
            reader.skip(reader.varint())
    elif family == "Nullable":
        reader.skip(rows)
        _skip_column(reader, arguments[0], rows)
    elif family == "SimpleAggregateFunction":
        _skip_column(reader, arguments[-1], rows)
    elif family in {"Array", "Map", "Nested"}:
        _skip_elements(reader, arguments, _item_count(reader, rows))
    elif family == "Tuple":
        _skip_elements(reader, arguments or ["UInt8"], rows)
    elif family == "LowCardinality":
        _skip_low_cardinality(reader, arguments[0], rows)
    else:
        raise EngineError.of(
            NOT_IMPLEMENTED,
            f"The type {type_name} cannot be sent in Native with client_protocol_version;"
            " cast it to String, or ask for another format.",
        )


def _item_count(reader: _Reader, rows: int) -> int:
    """How many items an array column has: the last of its offsets."""
    if not rows:
        return 0
    reader.skip((rows - 1) * 8)
    return reader.uint64()


def _skip_elements(reader: _Reader, type_names: list[str], rows: int) -> None:
    for type_name in type_names:
        _skip_column(reader, type_name, rows)


def _skip_low_cardinality(reader: _Reader, dictionary: str, rows: int) -> None:
    if not rows:
        return
    flags = reader.uint64()
    if flags & _HAS_ADDITIONAL_KEYS:
        family, arguments = _split(dictionary)
        keys = reader.uint64()
        _skip_column(reader, arguments[0] if family == "Nullable" else dictionary, keys)
    reader.skip(reader.uint64() * _INDEX_WIDTHS[flags & 0xFF])


def _width(family: str, arguments: list[str]) -> int | None:
    if family == "FixedString":
        return int(arguments[0])
    if family == "Decimal":
        precision = int(arguments[0])
        return next(width for limit, width in _DECIMAL_WIDTHS if precision <= limit)
    if family.startswith("Interval"):
        return 8
    return _WIDTHS.get(family)


def _split(type_name: str) -> tuple[str, list[str]]:
    """A type's family and its arguments; of named elements the type only."""
    name = _ALIASES.get(type_name, type_name)
    found = _FAMILY.match(name)
    family = found.group() if found is not None else name
    inner = name[len(family) :].strip()
    if not inner.startswith("("):
        return family, []
    arguments = _top_level(inner[1:-1])
    if family in {"Tuple", "Nested"}:
        arguments = [_without_name(argument) for argument in arguments]
    return family, arguments


def _top_level(text: str) -> list[str]:
    parts: list[str] = [""]
    depth = 0
    quoted = ""
    escaped = False
    for letter in text:
        if quoted:
            quoted = "" if letter == quoted and not escaped else quoted
            escaped = letter == "\\" and not escaped
        elif letter in "'`\"":
            quoted = letter
        depth += (letter == "(") - (letter == ")") if not quoted else 0
        if letter == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _without_name(argument: str) -> str:
    """`a UInt8` and a quoted name before a type become the type; a bare type stays."""
    named = re.match(r"(?:\w+|`(?:[^`\\]|\\.)*`)\s+(?=\w)", argument)
    return argument[named.end() :] if named else argument
