"""From spans to the buffers of Arrow columns, compiled: keys, content hashes, texts."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.cloudevents.columnar.scanning import DATA, ID, SOURCE, SUBJECT, TIME, TYPE, Spans
from core.cloudevents.columnar.xxh3 import hash64, hash128
from core.compiled import compiled, inlined
from core.intrinsics import Words, load64, store32, store64
from core.json_text import Bytes

_LENGTH_BYTES: Final = 4
_FIXED_BYTES: Final = 64
"""More than the lengths and marks of a hashed text take, and a word to copy beyond it."""

Offsets = npt.NDArray[np.int32]


def room_bytes(head_bytes: int, text_bytes: int) -> int:
    """Room for what is hashed of an event of a text."""
    return head_bytes + text_bytes + _FIXED_BYTES


@inlined
def _copy(source: Bytes, start: int, stop: int, target: Bytes, at: int) -> int:
    """Copy by words, so up to 7 bytes too many, which both arrays have; index after the copy."""
    size = stop - start
    for k in range(0, size, 8):
        store64(target, at + k, load64(source, start + k))
    return at + size


@inlined
def _append(text: Bytes, spans: Spans, row: int, which: int, room: Bytes, at: int) -> int:
    """An attribute after its length."""
    start, stop = spans[row, 2 * which], spans[row, 2 * which + 1]
    store32(room, at, np.uint64(stop - start))
    return _copy(text, start, stop, room, at + _LENGTH_BYTES)


@compiled
def hash_events(
    text: Bytes, spans: Spans, count: int, head_bytes: int, room: Bytes, keys: Bytes,
    contents: Words, lanes: Words,
) -> None:  # fmt: skip
    """`core.events.key_of` and `content_of` of the first `count` events.

    `room` begins with the key's head and has `room_bytes`; `keys` takes 16 bytes an event; `text`
    and `room` have 8 bytes more than are used. An event without data has the empty object.
    """
    for row in range(count):
        end = _append(text, spans, row, SOURCE, room, head_bytes)
        end = _append(text, spans, row, ID, room, end)
        high, low = hash128(room, 0, end, lanes)
        for k in range(8):
            shift = np.uint64(56 - 8 * k)
            keys[16 * row + k] = high >> shift & np.uint64(0xFF)
            keys[16 * row + 8 + k] = low >> shift & np.uint64(0xFF)
        end = _append(text, spans, row, TYPE, room, head_bytes)
        end = _append(text, spans, row, SUBJECT, room, end)
        start, stop = spans[row, 2 * TIME], spans[row, 2 * TIME + 1]
        sent = stop - start + 1 if start else 0
        store32(room, end, np.uint64(sent))
        end += _LENGTH_BYTES
        if sent:
            room[end] = 1
            end = _copy(text, start, stop, room, end + 1)
        end = _append(text, spans, row, DATA, room, end)
        contents[row] = hash64(room, head_bytes, end - head_bytes, lanes)


@compiled
def measure_texts(spans: Spans, count: int, which: int, offsets: Offsets) -> int:
    """Fill the `count` + 1 offsets of an attribute's column; returns its bytes."""
    size = 0
    for row in range(count):
        offsets[row] = size
        size += spans[row, 2 * which + 1] - spans[row, 2 * which]
    offsets[count] = size
    return size


@compiled
def gather_texts(
    text: Bytes, spans: Spans, count: int, which: int, offsets: Offsets, out: Bytes
) -> None:
    """Copy an attribute's texts one after another; `out` has 8 bytes more than they take."""
    for row in range(count):
        start, stop = spans[row, 2 * which], spans[row, 2 * which + 1]
        _copy(text, start, stop, out, offsets[row])
