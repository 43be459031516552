"""Accepted events as columns: one list for each column of an envelope, then Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.envelope import ENVELOPE_SCHEMA, over_bytes

_WORD: Final = 1 << 64
_KEY_BYTES: Final = 16
_INSTANT: Final = pa.timestamp("us", tz="UTC")


@dataclass(slots=True)
class EventColumns:
    """Events column by column, in the order and with the names of `core.envelope`.

    `time` and `received_at` are microseconds since the epoch; `key` holds 16 bytes each.
    """

    tenant_id: list[str] = field(default_factory=list)
    key: list[bytes] = field(default_factory=list)
    content_hash: list[int] = field(default_factory=list)
    id: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    type: list[str] = field(default_factory=list)
    subject: list[str] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    received_at: list[int] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.key)

    def extend(self, other: EventColumns) -> None:
        """Append all events of `other`."""
        for column in fields(self):
            getattr(self, column.name).extend(getattr(other, column.name))

    def as_batch(self) -> pa.RecordBatch:
        """The same events as one record batch with the schema of an envelope."""
        arrays: list[pa.Array[Any]] = [
            pa.array(self.tenant_id, pa.string()),
            pa.array(self.key, pa.binary(16)),
            pa.array(self.content_hash, pa.uint64()),
            pa.array(self.id, pa.string()),
            pa.array(self.source, pa.string()),
            pa.array(self.type, pa.string()),
            pa.array(self.subject, pa.string()),
            pa.array(self.time, pa.int64()).cast(_INSTANT),
            pa.array(self.received_at, pa.int64()).cast(_INSTANT),
            pa.array(self.data, pa.binary()),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=ENVELOPE_SCHEMA)


def partitions_of(keys: pa.Array[Any], count: int) -> npt.NDArray[np.int64]:
    """`core.events.partition_of` for the column `key` of an envelope: each key mod `count`.

    `keys` is fixed_size_binary(16) without nulls.
    """
    if not len(keys):
        return np.empty(0, np.int64)
    data = keys.buffers()[1]
    assert data is not None
    start = _KEY_BYTES * keys.offset
    used = memoryview(data)[start : start + _KEY_BYTES * len(keys)]
    words = np.frombuffer(used, dtype=">u8").reshape(-1, 2).astype(np.uint64)
    # (high · 2^64 + low) mod count: a topic has fewer than 2^32 partitions, so nothing overflows.
    modulus = np.uint64(count)
    high = words[:, 0] % modulus * np.uint64(_WORD % count)
    return ((high % modulus + words[:, 1] % modulus) % modulus).astype(np.int64)


def split_batch(batch: pa.RecordBatch, events_max: int, bytes_max: int) -> Iterator[pa.RecordBatch]:
    """Cut a batch into pieces within both limits, in order; one event is never cut."""
    if batch.num_rows > 1 and (batch.num_rows > events_max or over_bytes(batch, bytes_max)):
        middle = min(events_max, (batch.num_rows + 1) // 2)
        yield from split_batch(batch.slice(0, middle), events_max, bytes_max)
        yield from split_batch(batch.slice(middle), events_max, bytes_max)
    else:
        yield batch
