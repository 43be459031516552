"""Malformed records, many of them, through the decoder of the stream worker: none may raise.

`python -m tests.faults.fuzz --seed S --records N` prints what became of them as JSON. A process of
its own: a decoder that reads past a buffer ends a process, not a test.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from typing import Any, Final, Literal
from uuid import UUID

import pyarrow as pa

from catalog.metering.aggregate import CompiledMeters, compile_meters
from catalog.meters import MeterDefinition
from core.envelope import ENVELOPE_SCHEMA
from core.ids import MeterId, TenantId
from streams.records import Record, decode

TENANT: Final = UUID(int=1)
NOW_MS: Final = 1_795_000_000_000
_AT_A_TIME: Final = 50
_POOL: Final = 200
_PARTITIONS: Final = 4
_DEEP: Final = 1_000_000
_BODIES: Final = (
    b'{"usage":{"tokens":1}}', b'{"usage":{"tokens":NaN}}', b'{"usage":{"tokens":Infinity}}',
    b'{"usage":{"tokens":1e400}}', b'{"usage":{"tokens":-1e-400}}', b'{"usage":{"tokens":"12x"}}',
    b'{"usage":{"tokens":{"a":1}}}', b'{"usage":{"tokens":[1]}}', b'{"usage":"tokens"}', b"{}",
    b"", b"[]", b"null", b"\x00", b'{"a":"\x00"}', b'{"a":"\\ud800"}', b'{"a":"\xed\xa0\x80"}',
    b'{"usage":{"tokens":1},"usage":{"tokens":2}}', b'{"usage":{"tokens":1}', b'{"usage":{"tokens',
    b'{"usage":{"tokens":00}}', b'{"usage":{"tokens":+1}}', b'{"usage":{"tokens":.5}}', b"\xff\xfe",
    b'{"usage":{"tokens":' + b"9" * 400 + b"}}", b'{"usage":{"tokens":0.' + b"1" * 400 + b"}}",
    b'{"usage":{"tokens":"' + b"9" * 15 + b'."}}', b'{"a":' * 63 + b"1" + b"}" * 63,
    b'{"a":' * 65 + b"1" + b"}" * 65, b'{"":{"":""}}',
)  # fmt: skip
_TEXTS: Final = (
    b"x", b"", b"s" * 256, b"s" * 257, b"\x00", "\u00e9".encode() * 200, b"\xed\xa0\x80", b"\xff",
    b"event-1", "\U0001f600".encode() * 64, b" ", b"\n",
)  # fmt: skip
_TIMES: Final = (
    0, -1, 1, NOW_MS * 1000, NOW_MS * 1000 + 25 * 3_600_000_000, 4_102_444_800_000_000, 2**63 - 1,
    -(2**63), 4_102_444_799_999_999,
)  # fmt: skip


def compiled() -> CompiledMeters:
    """A counting and a summing meter of the tenant."""

    def meter(number: int, aggregation: Literal["count", "sum"], value: str | None) -> Any:
        return MeterDefinition(
            id=MeterId(UUID(int=number)), tenant_id=TenantId(TENANT), slug=f"m-{number}",
            name="m", event_types=("x",), aggregation=aggregation, value=value,
            catalog_version=number,
        )  # fmt: skip

    return compile_meters([meter(1, "count", None), meter(2, "sum", "usage.tokens")], 2)


def fuzz(rng: random.Random, records: int) -> Counter[str]:
    """Decode so many malformed records; what became of them, by the word before the colon."""
    meters, done = compiled(), Counter[str]()
    pool: list[bytes] = []
    for first in range(0, records, _AT_A_TIME):
        pool = [*pool[-_POOL:], *(envelope(rng) for _ in range(_AT_A_TIME // 5))]
        values = [make(rng, rng.choice(pool)) for _ in range(_AT_A_TIME)]
        batch = [Record(first + at, NOW_MS, value) for at, value in enumerate(values)]
        decoded = decode(batch, NOW_MS, rng.randrange(_PARTITIONS), _PARTITIONS, meters)
        dead = {letter.offset for letter in decoded.dead}
        alive = set(decoded.events["offset"].to_list())
        assert not dead & alive, "a record both refused and read"
        for letter in decoded.dead:
            done[letter.reason[:40]] += 1
        for reason in decoded.events["reason"].to_list():
            done["kept" if reason is None else reason.split(":")[0]] += 1
        done["records"] += len(batch)
    return done


def make(rng: random.Random, whole: bytes) -> bytes:
    """A record: an envelope with odd content, the same mutated, or bytes."""
    kind = rng.random()
    if kind < 0.05:
        return rng.randbytes(rng.randrange(2000))
    return whole if kind < 0.3 else mutate(rng, whole)


def envelope(rng: random.Random) -> bytes:
    """An envelope that is one, with content that may be none."""
    rows = rng.choice((0, 1, 1, 2, 5))

    def texts() -> Any:
        odd = rng.random() < 0.1
        return _text([rng.choice(_TEXTS) if odd else b"x" for _ in range(rows)])

    odd = rng.random() < 0.3
    times = pa.array([rng.choice(_TIMES) if odd else NOW_MS for _ in range(rows)], pa.int64())
    instant = ENVELOPE_SCHEMA.field("time").type
    bodies = [rng.choice(_BODIES) for _ in range(rows)]
    if rows and rng.random() < 0.005:
        bodies[0] = b'{"a":"' + b"x" * (1 << 18) + b'"}'
    if rows and rng.random() < 0.002:
        bodies[0] = b'{"a":' * (_DEEP // 5)
    if rows and rng.random() < 0.002:
        ids = _text([b"i" * (1 << 20)] + [b"i"] * (rows - 1))
    else:
        ids = texts()
    arrays = [
        _text([str(TENANT).encode() if rng.random() < 0.9 else rng.choice(_TEXTS)] * rows),
        pa.array([rng.randbytes(16) for _ in range(rows)], pa.binary(16)),
        pa.array([rng.getrandbits(64) for _ in range(rows)], pa.uint64()),
        ids, texts(), texts(), texts(), times.cast(instant), times.cast(instant),
        pa.array(bodies, pa.binary()),
    ]  # fmt: skip
    batch = pa.RecordBatch.from_arrays(arrays, schema=_odd_schema(rng, arrays))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=rng.choice(("lz4", "lz4", "zstd", None)))
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 1, 0, 2))):
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def mutate(rng: random.Random, whole: bytes) -> bytes:
    """The same with flipped bits, a cut, a splice, or a length that lies."""
    content = bytearray(whole)
    way = rng.randrange(5)
    if way == 0:
        return bytes(content[: rng.randrange(len(content))])
    if way == 1:
        at = rng.randrange(len(content))
        content[at:at] = rng.randbytes(rng.randrange(1, 64))
    elif way == 2:
        at = rng.randrange(max(1, len(content) - 8))
        size = rng.choice((4, 8))
        number = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1)) % 256**size
        content[at : at + size] = number.to_bytes(size, "little")
    elif way == 3:
        at, to = sorted(rng.randrange(len(content)) for _ in range(2))
        del content[at:to]
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8) if content else 0
        if not content:
            break
    return bytes(content)


def _text(values: list[bytes]) -> Any:
    """A string column of any bytes, also of such as are no UTF-8."""
    raw = pa.array(values, pa.binary())
    _, offsets, data = raw.buffers()
    assert offsets is not None
    return pa.StringArray.from_buffers(len(raw), offsets, data or pa.py_buffer(b""))


def _odd_schema(rng: random.Random, arrays: list[Any]) -> pa.Schema:
    if rng.random() < 0.95:
        return ENVELOPE_SCHEMA
    names = ENVELOPE_SCHEMA.names
    rng.shuffle(names)
    return pa.schema([pa.field(name, a.type) for name, a in zip(names, arrays, strict=True)])


def main() -> None:
    """Print what became of the records."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--records", type=int, required=True)
    options = parser.parse_args()
    done = fuzz(random.Random(options.seed), options.records)
    sys.stdout.write(json.dumps(dict(done.most_common(30))) + "\n")


if __name__ == "__main__":
    main()
