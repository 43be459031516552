"""The envelope: one Kafka record that carries 1..N events as one Arrow record batch.

| column | type | what |
|---|---|---|
| tenant_id | string | canonical UUID text |
| key | fixed_size_binary(16) | `core.events.event_key` |
| content_hash | uint64 | `core.events.content_hash` |
| id, source, type, subject | string | CloudEvents attributes |
| time | timestamp(us, UTC) | event time; the receive time where none was sent |
| received_at | timestamp(us, UTC) | when ingest had it |
| data | binary | the exact JSON object text received |

Reading is bounded before anything is inflated: what a record claims to become is added up from its
metadata, so a record of a few bytes cannot ask for gigabytes.
"""

from __future__ import annotations

import struct
from typing import Final

import pyarrow as pa

from core.arrow_stream import claimed_bytes
from core.errors import InternalError, ValidationError
from core.events import SCHEMA_VERSION

ENVELOPE_BYTES_MAX: Final = 2 * 1024 * 1024
"""Largest record of the log, in bytes: what ingest sends, the topic allows and workers fetch."""

ENVELOPE_EVENTS_MAX: Final = 16_384
"""Most events in one envelope: 8 times what ingest gathers."""

INFLATED_BYTES_MAX: Final = 8 * 1024 * 1024
"""Most bytes that an envelope may take up once its columns are inflated: 4 times the largest record
and 9 times what ingest gathers."""

CONTENT_TYPE: Final = "application/vnd.apache.arrow.stream"

_INSTANT = pa.timestamp("us", tz="UTC")
_COLUMNS: dict[str, pa.DataType] = {
    "tenant_id": pa.string(),
    "key": pa.binary(16),
    "content_hash": pa.uint64(),
    "id": pa.string(),
    "source": pa.string(),
    "type": pa.string(),
    "subject": pa.string(),
    "time": _INSTANT,
    "received_at": _INSTANT,
    "data": pa.binary(),
}
ENVELOPE_SCHEMA: Final = pa.schema(
    [pa.field(name, kind, nullable=False) for name, kind in _COLUMNS.items()]
)
_PADDING_BYTES: Final = 64 * 1024
"""More than a batch grows by when each of its columns is written on a boundary of its own."""

# A column at a time: handing an envelope's few kilobytes to other threads costs more than the work.
_WRITING: Final = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READING: Final = pa.ipc.IpcReadOptions(use_threads=False)

_BROKEN: Final = (
    pa.ArrowException, OSError, ValueError, LookupError, StopIteration, struct.error,
)  # fmt: skip


def encode_envelope(batch: pa.RecordBatch) -> bytes:
    """The record value of a batch that has `ENVELOPE_SCHEMA`: an lz4 Arrow IPC stream.

    Raises `InternalError` for a batch that `decode_envelope` would refuse for its size.
    """
    if batch.num_rows > ENVELOPE_EVENTS_MAX or over_bytes(
        batch, INFLATED_BYTES_MAX - _PADDING_BYTES
    ):
        raise InternalError(
            f"an envelope of {batch.num_rows} events and {batch.nbytes} bytes is over the limits"
            f" of {ENVELOPE_EVENTS_MAX} events and {INFLATED_BYTES_MAX} bytes: split the batch"
        )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ENVELOPE_SCHEMA, options=_WRITING) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def over_bytes(batch: pa.RecordBatch, bytes_max: int) -> bool:
    """Whether the rows of a batch take more than so many bytes. No buffer is that of two columns.

    Counting the bytes of some rows takes longer than writing them; those of whole buffers are
    known, and they are the most that it can be.
    """
    return batch.get_total_buffer_size() > bytes_max and batch.nbytes > bytes_max


def envelope_headers(events: int) -> list[tuple[str, bytes]]:
    """The Kafka headers of an envelope: content type, schema version, number of events."""
    return [
        ("content-type", CONTENT_TYPE.encode()),
        ("tollbook-schema-version", str(SCHEMA_VERSION).encode()),
        ("tollbook-events", str(events).encode()),
    ]


def decode_envelope(value: bytes) -> pa.RecordBatch:
    """Read a record value back, values validated. Raises `ValidationError` for anything else.

    Takes memory for at most `INFLATED_BYTES_MAX` bytes of columns, whatever the value claims.
    """
    try:
        claimed = claimed_bytes(value, ENVELOPE_EVENTS_MAX)
        if claimed > INFLATED_BYTES_MAX:
            raise ValidationError(
                f"envelope: claims {claimed} bytes of columns, the limit is {INFLATED_BYTES_MAX}"
            )
        with pa.ipc.open_stream(pa.py_buffer(value), options=_READING) as reader:
            if not reader.schema.equals(ENVELOPE_SCHEMA):
                raise ValidationError("envelope: its Arrow schema is not that of schema version 1")
            batch = reader.read_next_batch()
        batch.validate(full=True)
        if any(column.null_count for column in batch.columns):
            raise ValidationError("envelope: holds nulls")
    except pa.ArrowMemoryError:  # says something about this machine, nothing about the record
        raise
    except _BROKEN as error:
        raise ValidationError(f"envelope: not an Arrow IPC stream: {error}") from error
    return batch
