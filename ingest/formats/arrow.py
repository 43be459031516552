"""Arrow IPC streams, their buffers compressed or not."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from core.arrow_stream import claims
from core.cloudevents.json_format import require_few
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import ValidationError
from ingest.encodings import too_large
from ingest.formats.tables import check_shape, events_of
from ingest.formats.wire_format import WireFormat
from ingest.settings import BODY_BYTES_MAX

MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"


_BROKEN: Final = (
    pa.ArrowException, struct.error, ValueError, LookupError, ArithmeticError, OSError,
)  # fmt: skip
"""What comes of streams that are none, and of dates and decimals that Python has no values for."""


def decode(body: bytes) -> Sequence[WireEvent | Rejection]:
    """Read the rows of all batches. Raises `ValidationError` and `TooLargeError`."""
    try:
        _bound(body)
        return events_of(_table(body))
    except _BROKEN as error:
        raise ValidationError(f"body: not an Arrow IPC stream: {error}") from error


def _bound(body: bytes) -> None:
    """What it claims to become, before anything inflates."""
    rows = total = 0
    for claim in claims(body):
        rows, total = rows + claim.rows, total + claim.bytes
        require_few(rows)
        if total > BODY_BYTES_MAX:
            raise too_large(BODY_BYTES_MAX)


def _table(body: bytes) -> pa.Table:
    with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
        check_shape(0, reader.schema.names)
        batches = []
        for batch in reader:
            batch.validate(full=True)
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)


FORMAT: Final = WireFormat(decode)
