"""What a record may cost: whatever its bytes claim, it is read within the limits or refused."""

from __future__ import annotations

import random
import resource
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, Literal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arrow_stream import claimed_bytes
from core.envelope import (
    ENVELOPE_BYTES_MAX,
    ENVELOPE_EVENTS_MAX,
    ENVELOPE_SCHEMA,
    INFLATED_BYTES_MAX,
    decode_envelope,
    encode_envelope,
)
from core.errors import InternalError, ValidationError

MUTANTS: Final = 20_000
GROWTH_MAX: Final = 64 * 1024 * 1024


def batch_of(rows: int, data_bytes: int = 2) -> pa.RecordBatch:
    """`rows` events whose columns inflate to known sizes."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    event: dict[str, list[Any]] = {
        "tenant_id": ["00000000-0000-0000-0000-000000000001"],
        "key": [b"k" * 16],
        "content_hash": [7],
        "id": ["1"],
        "source": ["s"],
        "type": ["call"],
        "subject": ["u"],
        "time": [at],
        "received_at": [at],
        "data": [b"x" * data_bytes],
    }
    columns = {name: values * rows for name, values in event.items()}
    return pa.RecordBatch.from_pydict(columns, ENVELOPE_SCHEMA)


def written(batch: pa.RecordBatch, codec: Literal["lz4", "zstd"] | None = "lz4") -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


SAMPLE: Final = encode_envelope(batch_of(40, 20))


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_the_claim_is_what_the_columns_take_up(codec: Literal["lz4", "zstd"] | None) -> None:
    batch = batch_of(500, 300)
    claimed = claimed_bytes(written(batch, codec), ENVELOPE_EVENTS_MAX)
    assert batch.nbytes <= claimed <= batch.nbytes + 64 * 26
    assert decode_envelope(written(batch, codec)).equals(batch)


def test_a_bomb_is_refused_before_it_inflates() -> None:
    """1 GiB in 4 MiB of lz4, and a few bytes that only claim as much."""
    before = peak_bytes()
    bomb = written(batch_of(1_000, INFLATED_BYTES_MAX // 500))
    assert len(bomb) < ENVELOPE_BYTES_MAX, "it fits the log"
    with pytest.raises(ValidationError, match=r"envelope: claims \d+ bytes of columns, the limit"):
        decode_envelope(bomb)
    one = written(batch_of(1, 4_000))
    at = one.rindex(struct.pack("<q", 4_000))
    before_claim, after_claim = one[:at], one[at + 8 :]
    for claim in (INFLATED_BYTES_MAX + 1, 1 << 40, (1 << 63) - 1):
        with pytest.raises(ValidationError, match=r"^envelope: claims \d{7,} bytes of columns"):
            decode_envelope(before_claim + struct.pack("<q", claim) + after_claim)
    with pytest.raises(ValidationError, match="claims -2 bytes"):
        decode_envelope(before_claim + struct.pack("<q", -2) + after_claim)
    assert peak_bytes() - before < GROWTH_MAX


def test_many_rows_are_refused() -> None:
    assert decode_envelope(written(batch_of(ENVELOPE_EVENTS_MAX))).num_rows == ENVELOPE_EVENTS_MAX
    with pytest.raises(ValidationError, match="claims 16385 rows, the limit is 16384"):
        decode_envelope(written(batch_of(ENVELOPE_EVENTS_MAX + 1)))


def test_what_may_be_written_can_be_read_and_nothing_else_is_written() -> None:
    """Searches the largest batch that the writer takes: the reader takes it, too."""
    fits, over = 1, INFLATED_BYTES_MAX
    while over - fits > 1:
        middle = (fits + over) // 2
        try:
            encode_envelope(batch_of(1, middle))
            fits = middle
        except InternalError:
            over = middle
    assert fits > 0.98 * INFLATED_BYTES_MAX
    assert decode_envelope(encode_envelope(batch_of(1, fits))).num_rows == 1
    assert decode_envelope(encode_envelope(batch_of(ENVELOPE_EVENTS_MAX))).num_rows
    with pytest.raises(InternalError, match="split the batch"):
        encode_envelope(batch_of(ENVELOPE_EVENTS_MAX + 1))


def test_buffers_that_share_bytes_are_each_counted() -> None:
    """All buffers point at one compressed stretch: what counts is what each would become."""
    value = bytearray(written(batch_of(1, 1_000_000)))
    data_at = value.rindex(struct.pack("<q", 1_000_000))
    body = 8 + struct.unpack_from("<i", value, 4)[0]
    body += 8 + struct.unpack_from("<i", value, body + 4)[0]
    entry = bytes(value).index(struct.pack("<q", data_at - body), 300)
    pair = bytes(value[entry : entry + 16])
    for number in range(26):
        value[entry - 16 * number : entry - 16 * number + 16] = pair
    assert claimed_bytes(bytes(value), ENVELOPE_EVENTS_MAX) == 26_000_000
    with pytest.raises(ValidationError, match="claims 26000000 bytes"):
        decode_envelope(bytes(value))


def test_dictionaries_further_schemas_and_bytes_after_the_end_are_refused() -> None:
    words = pa.array(["a", "b", "a"]).dictionary_encode()
    with pytest.raises(ValidationError, match=r"^envelope: "):
        decode_envelope(written(pa.RecordBatch.from_arrays([words], ["tenant_id"])))
    nested: pa.DataType = pa.int64()
    for _ in range(60):
        nested = pa.list_(nested)
    deep = pa.RecordBatch.from_arrays([pa.array([None], nested)], ["tenant_id"])
    with pytest.raises(ValidationError, match=r"^envelope: "):
        decode_envelope(written(deep))
    for tail in (b"\0", SAMPLE, b"\xff\xff\xff\xff\0\0\0\0"):
        with pytest.raises(ValidationError, match="more than one record batch"):
            decode_envelope(SAMPLE + tail)


def test_every_truncated_stream_is_refused() -> None:
    end_mark = len(SAMPLE) - 8
    for length in range(len(SAMPLE)):
        if length == end_mark:  # the mark says nothing that the batch does not say
            assert decode_envelope(SAMPLE[:length]).num_rows == 40
            continue
        with pytest.raises(ValidationError, match=r"^envelope: "):
            decode_envelope(SAMPLE[:length])


@given(st.binary(max_size=2_000))
@settings(max_examples=500)
def test_random_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(ValidationError, match=r"^envelope: "):
        decode_envelope(value)


def mutants(rng: random.Random, count: int) -> Iterator[bytes]:
    """Envelopes with a few bytes changed, words replaced by telling numbers, stretches moved."""
    telling = (0, 1, -1, -2, 7, 1 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63))
    originals = [SAMPLE, written(decode_envelope(SAMPLE), None)]
    originals.append(written(decode_envelope(SAMPLE), "zstd"))
    for _ in range(count):
        value = bytearray(rng.choice(originals))
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(value) - 8)
            match rng.randrange(5):
                case 0:
                    value[at] = rng.randrange(256)
                case 1:
                    value[at] ^= 1 << rng.randrange(8)
                case 2:
                    at -= at % 8
                    value[at : at + 8] = struct.pack("<q", rng.choice(telling))
                case 3:
                    value[at : at + 4] = struct.pack("<I", rng.choice(telling) & 0xFFFFFFFF)
                case _:
                    length = rng.randrange(1, 64)
                    value[at : at + length] = value[:length]
        yield bytes(value)


def test_mutated_envelopes_are_read_or_refused_the_same_way_each_time(seed: int) -> None:
    rng, read = random.Random(seed), 0
    before = peak_bytes()
    for number, value in enumerate(mutants(rng, MUTANTS)):
        verdicts = []
        for _ in range(2 if number % 10 == 0 else 1):
            try:
                batch = decode_envelope(value)
            except ValidationError as error:
                verdicts.append(error.message)
            else:
                verdicts.append("read")
                assert batch.num_rows <= ENVELOPE_EVENTS_MAX
                assert batch.schema.equals(ENVELOPE_SCHEMA)
                pl.DataFrame(pl.from_arrow(batch)).hash_rows()
        assert len(set(verdicts)) == 1, f"--seed {seed}: mutant {number}"
        read += verdicts[0] == "read"
    assert 0 < read < MUTANTS // 2, "most of them are broken, some are not"
    assert peak_bytes() - before < GROWTH_MAX
