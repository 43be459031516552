"""How large the pages of a Parquet file are when inflated, before anything inflates them.

A page says its size in its header, in front of it. Source: parquet.thrift (`PageHeader`), and the
compact protocol of Thrift.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow.parquet as pq

_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE, _PAGE, _PAGE_V2 = 2, 3, 5, 8
"""Fields of a page's header; the last two are structs of data pages."""

_ENCODINGS: Final = {_PAGE: 2, _PAGE_V2: 4}
"""Which field of those structs is the encoding."""

_PREFIXED: Final = 7
"""DELTA_BYTE_ARRAY: a value repeats the start of the one before, and costs nothing for it."""

_PADDING_MAX: Final = 100
"""Old writers leave as much behind the last page."""

_DEPTH_MAX: Final = 8
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS: Final = (4, 5, 6)
_VARINT_BITS_MAX: Final = 63


def bound_chunks(body: bytes, groups: Sequence[Any]) -> None:
    """Raises `ValueError` where chunks take more than the file: they share what they should not."""
    chunks = (group.column(n) for group in groups for n in range(group.num_columns))
    if sum(max(chunk.total_compressed_size, 0) for chunk in chunks) > len(body):
        raise ValueError("its columns take more room than the file has")


def bound_pages(body: bytes, group: Any) -> int:
    """Bytes that the pages of a row group inflate to. Raises `ValueError` for a broken file."""
    return sum(_chunk(body, group.column(number)) for number in range(group.num_columns))


def _chunk(body: bytes, chunk: pq.ColumnChunkMetaData) -> int:
    start = chunk.data_page_offset
    first = chunk.dictionary_page_offset
    if first is not None and 0 < first < start:
        start = first
    end = start + chunk.total_compressed_size
    if not 0 < start <= end <= len(body):
        raise ValueError(f"column {chunk.path_in_schema}: lies outside of the file")
    reader, total = _Reader(body, start, end), 0
    while end - reader.at > _PADDING_MAX or (end > reader.at and total == 0):
        header = reader.struct(0)
        size, compressed = header.get(_UNCOMPRESSED_SIZE, -1), header.get(_COMPRESSED_SIZE, -1)
        if size < 0 or compressed < 0:
            raise ValueError(f"column {chunk.path_in_schema}: a page without a size")
        for page, encoding in _ENCODINGS.items():
            if header.get((page, encoding)) == _PREFIXED:
                raise ValueError(
                    f"column {chunk.path_in_schema}: the encoding DELTA_BYTE_ARRAY is not supported"
                )
        reader.at += compressed
        total += size
    return total


class _Reader:
    """Reads the compact protocol; only integers are kept."""

    def __init__(self, body: bytes, at: int, end: int) -> None:
        self._body, self.at, self._end = body, at, end

    def struct(self, depth: int) -> dict[Any, int]:
        """Integers of a struct by field, and of structs in it by both fields."""
        if depth > _DEPTH_MAX:
            raise ValueError("a page header is nested too deeply")
        found: dict[Any, int] = {}
        field = 0
        while head := self._byte():
            kind = head & 15
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            if kind in _INTEGERS:
                found[field] = self._zigzag()
            elif kind == _STRUCT:
                inner = self.struct(depth + 1)
                found |= {(field, each): value for each, value in inner.items()}
            else:
                self._skip(kind, depth)
        return found

    def _skip(self, kind: int, depth: int) -> None:
        if kind in {_TRUE, _FALSE}:
            return
        if kind == _BYTE:
            self._byte()
        elif kind == _DOUBLE:
            self._pass(8)
        elif kind == _BINARY:
            self._pass(self._varint())
        elif kind in {_LIST, _SET}:
            head = self._byte()
            for _ in range(head >> 4 if head >> 4 != 15 else self._varint()):  # noqa: PLR2004 - long form
                self._element(head & 15, depth)
        else:
            raise ValueError("a page header is not readable")

    def _element(self, kind: int, depth: int) -> None:
        if kind in {_TRUE, _FALSE}:
            self._byte()  # inside a list a truth value has a byte of its own
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _STRUCT:
            self.struct(depth + 1)
        else:
            self._skip(kind, depth + 1)

    def _byte(self) -> int:
        if self.at >= self._end:
            raise ValueError("a page header ends too early")
        self.at += 1
        return self._body[self.at - 1]

    def _pass(self, size: int) -> None:
        if size > self._end - self.at:
            raise ValueError("a page header ends too early")
        self.at += size

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - the bit that says that more follows
                return value
            shift += 7
            if shift > _VARINT_BITS_MAX:
                raise ValueError("a page header holds a number that is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
