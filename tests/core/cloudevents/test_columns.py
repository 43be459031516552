from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from core.cloudevents.columns import EventColumns, partitions_of, split_batch
from core.envelope import ENVELOPE_SCHEMA, decode_envelope, encode_envelope
from core.events import partition_of


def _columns(keys: list[bytes], data_bytes: int = 2) -> EventColumns:
    n = len(keys)
    return EventColumns(
        tenant_id=["0190aaaa-0190-7aaa-8aaa-0190aaaa0190"] * n,
        key=keys,
        content_hash=list(range(n)),
        id=[str(i) for i in range(n)],
        source=["/a"] * n,
        type=["t"] * n,
        subject=["s"] * n,
        time=[1_700_158_623_979_960] * n,
        received_at=[2] * n,
        data=[b"{" + b" " * (data_bytes - 2) + b"}"] * n,
    )


def _partitions(keys: list[bytes], count: int) -> npt.NDArray[np.int64]:
    return partitions_of(_columns(keys).as_batch().column("key"), count)


@given(
    st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=50),
    st.integers(1, 4096),
)
def test_partitions_of_columns_equal_those_of_single_keys(keys: list[bytes], count: int) -> None:
    expected = [partition_of(key, count) for key in keys]
    assert _partitions(keys, count).tolist() == expected


@given(st.binary(min_size=16, max_size=16), st.integers(1, 64), st.integers(0, 20))
def test_a_key_has_one_partition_whatever_travels_with_it(key: bytes, count: int, n: int) -> None:
    alone = _partitions([key], count)[0]
    assert _partitions([bytes(16)] * n + [key], count)[-1] == alone


def test_columns_become_an_envelope_that_reads_back() -> None:
    batch = _columns([bytes([i]) * 16 for i in range(5)]).as_batch()
    assert batch.schema.equals(ENVELOPE_SCHEMA)
    again = decode_envelope(encode_envelope(batch))
    assert again.equals(batch)
    assert again.column("time")[0].as_py().isoformat() == "2023-11-16T18:17:03.979960+00:00"


@given(rows=st.integers(0, 300), events_max=st.integers(1, 50), data_bytes=st.integers(2, 400))
def test_a_split_loses_no_row_and_keeps_both_limits(
    rows: int, events_max: int, data_bytes: int
) -> None:
    batch = _columns([i.to_bytes(16, "big") for i in range(rows)], data_bytes).as_batch()
    pieces = list(split_batch(batch, events_max, bytes_max=5_000))
    assert pa.Table.from_batches(pieces, ENVELOPE_SCHEMA).to_pylist() == batch.to_pylist()
    assert all(piece.num_rows <= events_max for piece in pieces)
    assert all(piece.nbytes <= 5_000 or piece.num_rows == 1 for piece in pieces)


def test_extending_appends_every_column() -> None:
    both = _columns([b"a" * 16])
    both.extend(_columns([b"b" * 16, b"c" * 16]))
    assert len(both) == 3
    assert both.as_batch().num_rows == 3
