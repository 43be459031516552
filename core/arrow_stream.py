"""How much an Arrow IPC stream claims to become, read from its metadata before anything inflates.

A stream is a schema message, messages of dictionaries and record batches, and an end mark. A record
batch lists its buffers; a compressed buffer begins with its inflated length. What cannot be read is
a `ValueError`, or `struct.error` where the stream ends too early.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, unpack_from
from typing import Final, NamedTuple

_CONTINUES: Final = 0xFFFFFFFF
_V5: Final = 4
_SCHEMA: Final = 1
_DICTIONARY: Final = 2
_RECORD_BATCH: Final = 3
_UNCOMPRESSED: Final = -1
_BUFFERS_MAX: Final = 1_024
_MESSAGES_MAX: Final = 1_000
_END: Final = b"\xff\xff\xff\xff\0\0\0\0"
_FIELD_BYTES: Final = 2
_BUFFER_BYTES: Final = 16
_PREFIX_BYTES: Final = 8

_head = Struct("<Ii").unpack_from
_long = Struct("<q").unpack_from
_int = Struct("<i").unpack_from
_unsigned = Struct("<I").unpack_from
_short = Struct("<H").unpack_from


class _Message(NamedTuple):
    """One message: its metadata, where its body begins in the stream, and the type of it."""

    metadata: bytes
    body: int
    body_bytes: int
    kind: int
    header: int


class Claim(NamedTuple):
    """What the record batches of a stream, or its dictionaries, take up when inflated."""

    rows: int
    bytes: int


def claims(value: bytes) -> Iterator[Claim]:
    """Of every dictionary (no rows) and record batch of a stream, one by one."""
    at = _after(_message(value, 0, (_SCHEMA,)))
    for count in range(_MESSAGES_MAX + 1):
        if len(value) == at or (len(value) == at + len(_END) and value.endswith(_END)):
            return
        if count == _MESSAGES_MAX:
            raise ValueError(f"holds more than {_MESSAGES_MAX} messages")
        message = _message(value, at, (_DICTIONARY, _RECORD_BATCH))
        at = _after(message)
        if message.kind == _DICTIONARY:
            data = _field(message.metadata, message.header, 1)
            header = data + _unsigned(message.metadata, data)[0] if data else 0
            grows = _field(message.metadata, message.header, 2)
            if grows and message.metadata[grows]:
                raise ValueError("a dictionary that grows (a delta) is not supported")
            if not header:
                raise ValueError("a dictionary is missing")
            yield Claim(0, _claimed(value, message, header))
        else:
            rows = _field(message.metadata, message.header, 0)
            many = _long(message.metadata, rows)[0] if rows else 0
            if many < 0:
                raise ValueError(f"claims {many} rows")
            yield Claim(many, _claimed(value, message, message.header))


def claimed_bytes(value: bytes, rows_max: int) -> int:
    """Bytes that the columns of a stream of one record batch take up, inflated.

    Such a stream has no dictionaries. Raises `ValueError` when the value is no such stream or
    claims more than `rows_max` rows, and `struct.error` when it ends too early.
    """
    batch = _message(value, _after(_message(value, 0, (_SCHEMA,))), (_RECORD_BATCH,))
    if value[_after(batch) :] not in {b"", _END}:
        raise ValueError("holds more than one record batch")
    (claim,) = claims(value)
    if claim.rows > rows_max:
        raise ValueError(f"claims {claim.rows} rows, the limit is {rows_max}")
    return claim.bytes


def _claimed(value: bytes, message: _Message, header: int) -> int:
    """Of the buffers that a record batch lists, compressed or not."""
    metadata = message.metadata
    at = _field(metadata, header, 2)
    if not at:
        return 0
    at += _unsigned(metadata, at)[0]
    count = _unsigned(metadata, at)[0]
    if count > _BUFFERS_MAX:
        raise ValueError(f"lists {count} buffers")
    numbers = unpack_from(f"<{2 * count}q", metadata, at + 4)
    sizes = numbers[1::2]
    for offset, size in zip(numbers[::2], sizes, strict=True):
        if offset < 0 or size < 0 or offset + size > message.body_bytes:
            raise ValueError("a buffer lies outside the record batch")
    if not _field(metadata, header, 3):
        return sum(sizes)
    return sum(
        _inflated(value, message.body + offset, size)
        for offset, size in zip(numbers[::2], sizes, strict=True)
        if size
    )


def _after(message: _Message) -> int:
    return message.body + message.body_bytes


def _inflated(value: bytes, at: int, size: int) -> int:
    """The length that a compressed buffer claims in its first 8 bytes."""
    if size < _PREFIX_BYTES:
        raise ValueError("a compressed buffer has no length")
    claimed: int = _long(value, at)[0]
    if claimed == _UNCOMPRESSED:
        return size
    if claimed < 0:
        raise ValueError(f"a buffer claims {claimed} bytes")
    return claimed


def _message(value: bytes, start: int, kinds: tuple[int, ...]) -> _Message:
    missing = f"a message of type {' or '.join(map(str, kinds))} is missing"
    mark, size = _head(value, start)
    body = start + 8 + size
    if mark != _CONTINUES or size <= 0 or body > len(value):
        raise ValueError(missing)
    metadata = value[start + 8 : body]
    table = _unsigned(metadata, 0)[0]
    version = _field(metadata, table, 0)
    found = _field(metadata, table, 1)
    header = _field(metadata, table, 2)
    length = _field(metadata, table, 3)
    if not found or not header or metadata[found] not in kinds:
        raise ValueError(missing)
    if not version or _short(metadata, version)[0] != _V5:
        raise ValueError("its metadata is not of version 5")
    body_bytes = _long(metadata, length)[0] if length else 0
    if not 0 <= body_bytes <= len(value) - body:
        raise ValueError(f"a message claims a body of {body_bytes} bytes")
    header += _unsigned(metadata, header)[0]
    return _Message(metadata, body, body_bytes, metadata[found], header)


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where field `number` of a flatbuffers table lies; 0 where the table lacks it."""
    layout = table - _int(metadata, table)[0]
    if layout < 0:
        raise ValueError("its metadata is torn")
    entry = 4 + _FIELD_BYTES * number
    if entry + _FIELD_BYTES > _short(metadata, layout)[0]:
        return 0
    offset = _short(metadata, layout + entry)[0]
    return table + offset if offset else 0
