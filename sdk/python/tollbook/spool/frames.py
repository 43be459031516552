"""Frames: each event with its length and a checksum before it."""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

from tollbook.events import EVENT_BYTES_MAX, WIRE_START

_HEAD = struct.Struct("<II")
_unpack = _HEAD.unpack_from
HEAD_BYTES = _HEAD.size
FRAME_BYTES_MAX = HEAD_BYTES + EVENT_BYTES_MAX


class Scan(NamedTuple):
    """The whole frames at the start of some bytes: their events, and where the last one ends."""

    wires: list[bytes]
    end: int
    size_bytes: int


def frame_of(wire: bytes) -> bytes:
    """An event with its head. The checksum begins with the length, so that it covers both."""
    length = len(wire)
    return _HEAD.pack(length, crc32(wire, length)) + wire


def scan(data: bytes, events_max: int, bytes_max: int) -> Scan:
    """Read frames up to the first that is not whole; at least one if the first is whole."""
    wires: list[bytes] = []
    at = size_bytes = 0
    last = len(data) - HEAD_BYTES
    while at < last and len(wires) < events_max:
        length, checksum = _unpack(data, at)
        start = at + HEAD_BYTES
        wire = data[start : start + length]
        if len(wire) != length or crc32(wire, length) != checksum or not length:
            break
        if size_bytes + length > bytes_max and wires:
            break
        wires.append(wire)
        size_bytes += length
        at = start + length
    return Scan(wires, at, size_bytes)


def find(data: bytes, start: int) -> int | None:
    """Where, from `start` on, the next whole frame begins; None: there is none.

    A head has bytes that no JSON has, so nothing within an event looks like a frame.
    """
    at = data.find(WIRE_START, start + HEAD_BYTES)
    while at >= 0:
        frame = data[at - HEAD_BYTES : at - HEAD_BYTES + FRAME_BYTES_MAX]
        if scan(frame, 1, EVENT_BYTES_MAX).wires:
            return at - HEAD_BYTES
        at = data.find(WIRE_START, at + 1)
    return None


def is_torn(data: bytes) -> bool:
    """Whether this is the beginning of a frame whose end was never written."""
    if len(data) < HEAD_BYTES:
        return True
    length: int = _unpack(data)[0]
    return len(data) - HEAD_BYTES < length <= EVENT_BYTES_MAX
