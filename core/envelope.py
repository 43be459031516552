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
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from core.errors import ValidationError
from core.events import SCHEMA_VERSION

ENVELOPE_BYTES_MAX: Final = 2 * 1024 * 1024
"""Largest record of the log, in bytes: what ingest sends, the topic allows and workers fetch."""

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
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4")


def encode_envelope(batch: pa.RecordBatch) -> bytes:
    """The record value of a batch that has `ENVELOPE_SCHEMA`: an lz4 Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ENVELOPE_SCHEMA, options=_OPTIONS) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def envelope_headers(events: int) -> list[tuple[str, bytes]]:
    """The Kafka headers of an envelope: content type, schema version, number of events."""
    return [
        ("content-type", CONTENT_TYPE.encode()),
        ("tollbook-schema-version", str(SCHEMA_VERSION).encode()),
        ("tollbook-events", str(events).encode()),
    ]


def decode_envelope(value: bytes) -> pa.RecordBatch:
    """Read a record value back, values validated. Raises `ValidationError` for anything else."""
    try:
        with pa.ipc.open_stream(pa.py_buffer(value)) as reader:
            if not reader.schema.equals(ENVELOPE_SCHEMA):
                raise ValidationError("envelope: its Arrow schema is not that of schema version 1")
            batches = list(reader)
        if len(batches) != 1:
            raise ValidationError(f"envelope: holds {len(batches)} record batches, expected 1")
        batches[0].validate(full=True)
        if any(column.null_count for column in batches[0].columns):
            raise ValidationError("envelope: holds nulls")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValidationError(f"envelope: not an Arrow IPC stream: {error}") from error
    return batches[0]
