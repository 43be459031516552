"""Records of the log, decoded into one frame, with the reason for everything that is refused.

What is refused depends on the schema version, on fixed limits and on log time, never on how often a
record is tried: judging the same record again gives the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from catalog.metering.aggregate import CompiledMeters, measure
from core.envelope import ENVELOPE_SCHEMA, decode_envelope
from core.errors import ValidationError
from core.events import (
    AHEAD_OF_LOG_MAX,
    EVENT_BYTES_MAX,
    TEXT_BYTES_MAX,
    TIME_MAX_MICROS,
    TIME_MIN_MICROS,
)


class Record(NamedTuple):
    """One Kafka record of a partition; `timestamp_ms` is the broker's.

    `rejected`: why an operator named it as rejected; such a record is not looked into.
    """

    offset: int
    timestamp_ms: int
    value: bytes | None
    rejected: str | None = None


class DeadRecord(NamedTuple):
    """A record that is no envelope, or was named as rejected: it counts as one rejected event."""

    offset: int
    log_time_ms: int
    reason: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """Consecutive records, decoded.

    events: the envelope's columns, `offset` UInt64, `row` UInt32, `sign` Int8 (1), `log_time_ms`
    Int64, the columns of `catalog.metering.aggregate.measure`, and `reason` String (null: keeps
    the contract).
    log_times_ms: int64, the log time of each record.
    """

    events: pl.DataFrame
    dead: list[DeadRecord]
    log_times_ms: npt.NDArray[np.int64]


_ENVELOPE_COLUMNS: Final = tuple(ENVELOPE_SCHEMA.names)
_MICROS: Final = 1000
_TENANT_BYTES: Final = 36


def decode(
    records: Sequence[Record],
    log_time_ms: int,
    partition: int,
    partitions: int,
    meters: CompiledMeters,
) -> Decoded:
    """Decode records that follow log time `log_time_ms` in one partition of `partitions`."""
    times = np.array([record.timestamp_ms for record in records], np.int64)
    times = np.maximum(np.maximum.accumulate(times), log_time_ms)
    batches: list[pa.RecordBatch] = []
    kept: list[int] = []
    dead: list[DeadRecord] = []
    for at, record in enumerate(records):
        try:
            batches.append(_envelope_of(record))
            kept.append(at)
        except ValidationError as error:
            value = record.value or b""
            dead.append(DeadRecord(record.offset, int(times[at]), error.message, value))
    frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches, ENVELOPE_SCHEMA)))
    sizes = np.array([batch.num_rows for batch in batches], np.int64)
    offsets = np.array([records[at].offset for at in kept], np.uint64)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    frame = frame.with_columns(
        pl.Series("offset", np.repeat(offsets, sizes), dtype=pl.UInt64),
        pl.Series("row", np.arange(len(frame)) - starts, dtype=pl.UInt32),
        pl.Series("log_time_ms", np.repeat(times[kept], sizes), dtype=pl.Int64),
        sign=pl.lit(1, pl.Int8),
    )
    frame = measure(frame, meters)
    halves = key_halves(frame["key"])
    placed = pl.Series("placed", _remainder(halves, partitions) == partition)
    return Decoded(frame.with_columns(_reason(placed).alias("reason")), dead, times)


def _envelope_of(record: Record) -> pa.RecordBatch:
    if record.rejected is not None:
        raise ValidationError(record.rejected)
    return decode_envelope(record.value or b"")


def key_halves(keys: pl.Series) -> npt.NDArray[np.uint64]:
    """16-byte keys (Binary) as uint64 (n, 2), the high half first."""
    if not len(keys):
        return np.empty((0, 2), np.uint64)
    array = keys.rechunk().to_arrow().cast(pa.binary(16))
    data = array.buffers()[1]
    assert data is not None
    raw = np.frombuffer(memoryview(data), np.dtype(">u8"), 2 * len(array), 16 * array.offset)
    return raw.astype(np.uint64).reshape(-1, 2)


def _remainder(halves: npt.NDArray[np.uint64], partitions: int) -> npt.NDArray[np.uint64]:
    """The keys mod P, of 128-bit keys, in 64-bit steps; exact for P < 2^32."""
    p = np.uint64(partitions)
    above = np.uint64((1 << 64) % partitions)
    remainder: npt.NDArray[np.uint64] = ((halves[:, 0] % p) * above + halves[:, 1] % p) % p
    return remainder


def _reason(placed: pl.Series) -> pl.Expr:
    """The first rule of the contract that an event breaks, or null."""
    time, log_time = pl.col("time").dt.epoch("us"), pl.col("log_time_ms") * _MICROS
    ahead = log_time + AHEAD_OF_LOG_MAX // timedelta(microseconds=1)
    rules = [(~pl.lit(placed), "key: does not belong to this partition")]
    for name, limit in {"tenant_id": _TENANT_BYTES, **TEXT_BYTES_MAX}.items():
        size = pl.col(name).str.len_bytes()
        rules.append(((size == 0) | (size > limit), f"{name}: must have 1 to {limit} bytes"))
    rules += [
        (
            (time < TIME_MIN_MICROS) | (time >= TIME_MAX_MICROS),
            "time: must lie in [1970-01-01, 2100-01-01)",
        ),
        (time > ahead, "time: lies more than 25 hours ahead of the log"),
        (pl.col("data").bin.size() > EVENT_BYTES_MAX, f"data: more than {EVENT_BYTES_MAX} bytes"),
        (~pl.col("is_object"), "data: not one JSON object"),
    ]
    return pl.coalesce(pl.when(broken).then(pl.lit(reason)) for broken, reason in rules)
