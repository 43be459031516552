from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from core.envelope import (
    ENVELOPE_SCHEMA,
    decode_envelope,
    encode_envelope,
    envelope_headers,
    over_bytes,
)
from core.errors import ValidationError
from tests.streams.log_oracle import Sent
from tests.streams.logs import START, TENANTS, envelope

SENT = (Sent(TENANTS[0], "s", "1", "call", "u", START, '{"n": 1.10}'),)


def stream(*batches: pa.RecordBatch, schema: pa.Schema = ENVELOPE_SCHEMA) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def test_an_envelope_gives_back_the_exact_events() -> None:
    batch = decode_envelope(envelope(SENT))
    assert batch.schema.equals(ENVELOPE_SCHEMA)
    assert batch.column("data").to_pylist() == [b'{"n": 1.10}']
    assert decode_envelope(encode_envelope(batch)).equals(batch)
    assert dict(envelope_headers(7))["tollbook-events"] == b"7"


@pytest.mark.parametrize(("start", "count"), [(0, 1), (3, 5), (0, 20), (19, 1)])
def test_bytes_are_those_of_the_rows_of_a_slice(start: int, count: int) -> None:
    sent = tuple(replace(SENT[0], id=f"{number}" * number) for number in range(1, 21))
    some = decode_envelope(envelope(sent)).slice(start, count)
    assert not over_bytes(some, some.nbytes)
    assert over_bytes(some, some.nbytes - 1)


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff" * 64, envelope(SENT)[:-40]])
def test_what_is_no_arrow_stream_is_refused(value: bytes) -> None:
    with pytest.raises(ValidationError, match=r"^envelope: "):
        decode_envelope(value)


def test_another_schema_and_another_number_of_batches_are_refused() -> None:
    batch = decode_envelope(envelope(SENT))
    short = batch.drop_columns(["data"])
    with pytest.raises(ValidationError, match="schema"):
        decode_envelope(stream(short, schema=short.schema))
    with pytest.raises(ValidationError, match="holds more than one record batch"):
        decode_envelope(stream(batch, batch))
    with pytest.raises(ValidationError, match="message of type 3 is missing"):
        decode_envelope(stream())


def test_text_that_is_not_utf8_is_refused() -> None:
    batch = decode_envelope(envelope(SENT))
    broken = pa.Array.from_buffers(
        pa.string(),
        1,
        [None, pa.py_buffer(b"\x00\x00\x00\x00\x01\x00\x00\x00"), pa.py_buffer(b"\xff")],
    )
    columns = [broken if name == "subject" else batch.column(name) for name in batch.schema.names]
    bad = pa.RecordBatch.from_arrays(columns, schema=ENVELOPE_SCHEMA)
    with pytest.raises(ValidationError, match=r"^envelope: "):
        decode_envelope(stream(bad))
