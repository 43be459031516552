"""A batch of events as an envelope's columns, when its text is clean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.cloudevents.columnar.gathering import (
    gather_texts,
    hash_events,
    measure_texts,
    room_bytes,
)
from core.cloudevents.columnar.scanning import (
    DATA,
    ID,
    SOURCE,
    SPAN_COLUMNS,
    SUBJECT,
    TYPE,
    WHOLE,
    scan,
)
from core.cloudevents.contract import AHEAD_MICROS, OLD_MICROS
from core.cloudevents.json_format import EVENTS_PER_REQUEST_MAX
from core.envelope import ENVELOPE_SCHEMA
from core.events import TIME_MAX_MICROS, key_head
from core.json_text import Bytes

_EMPTY_OBJECT: Final = b"{}"
_INSTANT: Final = pa.timestamp("us", tz="UTC")
_SPACE: Final = b" \t\n\r"
_LINE_FEED: Final = ord("\n")
_BEHIND: Final = b"\0" + _EMPTY_OBJECT + bytes(8)
"""What follows a text: its end mark, the data of events that have none, room to read words."""

_SHORTEST_EVENT: Final = len(
    '{"specversion":"1.0","id":"1","source":"1","type":"1","subject":"1"},'
)
_ODD_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""A NUL, or half of a surrogate pair, perhaps."""


class Joined(NamedTuple):
    """The accepted events of several bodies in one batch, body by body.

    `counts` and `old_counts` have an int64 for each body: its events, and those of them whose
    copies may not be recognised for ever.
    """

    batch: pa.RecordBatch
    counts: npt.NDArray[np.int64]
    old_counts: npt.NDArray[np.int64]


class _Found(NamedTuple):
    """Events in a text: their spans, times and beginnings, one row each."""

    text: Bytes
    spans: npt.NDArray[np.int32]
    times: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int32]


class Clean(NamedTuple):
    """Accepted events, with the schema of an envelope, in the order of the text.

    `old_count` counts those whose copies may not be recognised for ever.
    """

    batch: pa.RecordBatch
    old_count: int


def admit_clean(body: bytes, tenant_id: str, received_micros: int) -> Clean | None:
    """What the contract makes of a JSON array of events, or None when it is not clean.

    None says nothing against the body: the contract itself has to read it then.
    """
    found = _find(body, received_micros, EVENTS_PER_REQUEST_MAX)
    return None if found is None else _clean(found, tenant_id, received_micros)


def admit_clean_lines(body: bytes, tenant_id: str, received_micros: int) -> Clean | None:
    """The same of lines with one event each, without blank ones."""
    lines = body.rstrip()
    breaks = np.flatnonzero(np.frombuffer(lines, np.uint8) == _LINE_FEED)
    array = b"[" + lines.replace(b"\n", b",") + b"]"
    found = _find(array, received_micros, EVENTS_PER_REQUEST_MAX)
    if found is None or not np.array_equal(found.starts, np.concatenate([[1], breaks + 2])):
        return None
    return _clean(found, tenant_id, received_micros)


def admit_joined(bodies: Sequence[bytes], tenant_id: str, received_micros: int) -> Joined | None:
    """The same of several bodies of one tenant, arrays or single events, read as one.

    None when one of them is not clean, or is empty: each is to be read alone then.
    """
    inner: list[bytes] = []
    starts: list[int] = []
    singles: list[bool] = []
    start = 1
    for body in bodies:
        each = body.strip(_SPACE)
        is_array = each[:1] == b"["
        if is_array and each[-1:] == b"]":  # what ends otherwise will be found not clean
            each = each[1:-1].strip(_SPACE)
        inner.append(each)
        starts.append(start)
        singles.append(not is_array)
        start += len(each) + 1
    text = b"[" + b",".join(inner) + b"]"
    firsts = np.array(starts)
    found = _find(text, received_micros, len(text) // _SHORTEST_EVENT + 1)
    if found is None:
        return None
    at = np.searchsorted(found.starts, firsts)
    # With an event where each body begins, no event lies in two of them.
    if at[-1] >= len(found.starts) or not np.array_equal(found.starts[at], firsts):
        return None
    counts = np.empty(len(at), np.int64)
    counts[:-1] = at[1:] - at[:-1]
    counts[-1] = len(found.starts) - at[-1]
    if counts.max() > EVENTS_PER_REQUEST_MAX or (counts[np.array(singles)] != 1).any():
        return None
    old = found.times < received_micros - OLD_MICROS
    return Joined(
        _batch(found, tenant_id, received_micros), counts, np.add.reduceat(old, at, dtype=np.int64)
    )


def _find(body: bytes, received_micros: int, rows_max: int) -> _Found | None:
    """The events of an array, `rows_max` at most, if it is clean."""
    if not body.isascii() and not _is_utf8(body):
        return None
    if b"\\u" in body and _ODD_ESCAPE.search(body):
        return None
    text = np.frombuffer(bytearray(body) + _BEHIND, np.uint8)
    rows = min(len(body) // _SHORTEST_EVENT + 1, rows_max)
    spans, times = np.empty((rows, SPAN_COLUMNS), np.int32), np.empty(rows, np.int64)
    latest = min(received_micros + AHEAD_MICROS, TIME_MAX_MICROS - 1)
    count = scan(text, len(body), received_micros, latest, spans, times)
    if count < 0:
        return None
    without_data = spans[:count, 2 * DATA] == 0
    spans[:count, 2 * DATA][without_data] = len(body) + 1
    spans[:count, 2 * DATA + 1][without_data] = len(body) + 1 + len(_EMPTY_OBJECT)
    return _Found(text, spans[:count], times[:count], spans[:count, 2 * WHOLE])


def _clean(found: _Found, tenant_id: str, received_micros: int) -> Clean:
    old = int(np.count_nonzero(found.times < received_micros - OLD_MICROS))
    return Clean(_batch(found, tenant_id, received_micros), old)


def _batch(found: _Found, tenant_id: str, received_micros: int) -> pa.RecordBatch:
    text, spans, count = found.text, found.spans, len(found.times)
    keys, contents = _hashes(text, spans, count, tenant_id)
    columns = [
        _constant(tenant_id.encode(), count),
        _fixed(pa.binary(16), keys, count),
        _fixed(pa.uint64(), contents, count),
        *(_texts(pa.string(), text, spans, count, which) for which in (ID, SOURCE, TYPE, SUBJECT)),
        _fixed(_INSTANT, found.times, count),
        _fixed(_INSTANT, np.full(count, received_micros), count),
        _texts(pa.binary(), text, spans, count, DATA),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ENVELOPE_SCHEMA)


def admit_clean_single(body: bytes, tenant_id: str, received_micros: int) -> Clean | None:
    """The same of the text of one event."""
    clean = admit_clean(b"[" + body + b"]", tenant_id, received_micros)
    return clean if clean is not None and clean.batch.num_rows == 1 else None


def admit_clean_either(body: bytes, tenant_id: str, received_micros: int) -> Clean | None:
    """The same of an array of events, or of one event."""
    if body.lstrip()[:1] == b"[":
        return admit_clean(body, tenant_id, received_micros)
    return admit_clean_single(body, tenant_id, received_micros)


def warm_up() -> None:
    """Compile what `admit_clean` runs, or load it: seconds after an upgrade, else moments.

    Also what Arrow imports by itself when it first looks at values that are not its own: pandas, a
    third of a second.
    """
    pa.array([0])
    event = b'{"specversion":"1.0","id":"1","source":"1","type":"1","subject":"1"}'
    assert admit_clean_single(event, "", 0) is not None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _hashes(
    text: Bytes, spans: Any, count: int, tenant_id: str
) -> tuple[Bytes, np.ndarray[Any, np.dtype[np.uint64]]]:
    head = key_head(tenant_id)
    room = np.empty(room_bytes(len(head), len(text)), np.uint8)
    room[: len(head)] = np.frombuffer(head, np.uint8)
    keys, contents = np.empty(16 * count, np.uint8), np.empty(count, np.uint64)
    hash_events(text, spans, count, len(head), room, keys, contents, np.empty(8, np.uint64))
    return keys, contents


def _texts(kind: pa.DataType, text: Bytes, spans: Any, count: int, which: int) -> pa.Array[Any]:
    offsets = np.empty(count + 1, np.int32)
    size = measure_texts(spans, count, which, offsets)
    out = np.empty(size + 8, np.uint8)
    gather_texts(text, spans, count, which, offsets, out)
    return _array(kind, count, offsets, out[:size])


def _constant(value: bytes, count: int) -> pa.Array[Any]:
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(len(value))
    return _array(pa.string(), count, offsets, np.frombuffer(value * count, np.uint8))


def _fixed(kind: pa.DataType, values: Any, count: int) -> pa.Array[Any]:
    return _array(kind, count, values)


def _array(kind: pa.DataType, count: int, *buffers: Any) -> pa.Array[Any]:
    return pa.Array.from_buffers(kind, count, [None, *(pa.py_buffer(each) for each in buffers)])
