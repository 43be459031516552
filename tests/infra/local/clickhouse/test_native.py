"""The framing that newer Native clients ask for."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.clickhouse.errors import EngineError
from infra.local.clickhouse.native import reframe

INFO = bytes([1, 0, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0])
NEWER = {"default_format": "Native", "client_protocol_version": "54460"}

COLUMNS = [
    "toUInt8(1)", "toInt256(-5)", "'text'", "toFixedString('ab', 4)", "toDecimal128(1.5, 12)",
    "toDateTime64(1.5, 6)", "toNullable('x')", "NULL", "[1, 2, 3]", "[]", "map('a', [1], 'b', [])",
    "tuple(1, 'x', [2])", "toLowCardinality('x')", "[toLowCardinality(toNullable('y'))]",
    "toUUID('00000000-0000-0000-0000-000000000001')", "toIPv4('1.2.3.4')",
    "CAST('a,(' AS Enum8('a,(' = 1))",
    "CAST((1, 'x') AS Tuple(a UInt8, `b c` LowCardinality(String)))", "toIntervalDay(3)",
    "(1., 2.)::Point", "[[(1., 2.)]]::Polygon", "toDate32('2026-01-01')", "true",
]  # fmt: skip


def without_framing(data: bytes) -> bytes:
    """What a client that needs no framing would get, for one column in one block."""
    assert data.startswith(INFO)
    columns, rows = data[len(INFO)], data[len(INFO) + 1]
    assert (columns, rows) == (1, 3)
    at = len(INFO) + 2
    for _ in range(2):
        at += 1 + data[at]
    assert data[at] == 0
    return data[len(INFO) : at] + data[at + 1 :]


@pytest.mark.parametrize("column", COLUMNS)
def test_each_type_is_framed_and_otherwise_unchanged(http: httpx.Client, column: str) -> None:
    text = f"SELECT materialize({column}) AS a FROM numbers(3) SETTINGS max_threads = 1"
    plain = http.post("/", params={"default_format": "Native"}, content=text)
    framed = http.post("/", params=NEWER, content=text)
    assert without_framing(framed.content) == plain.content


def test_all_types_side_by_side_are_framed_in_each_block(http: httpx.Client) -> None:
    text = f"SELECT number, {', '.join(COLUMNS)} FROM numbers(200000) SETTINGS max_threads = 1"
    plain = http.post("/", params={"default_format": "Native"}, content=text)
    framed = http.post("/", params=NEWER, content=text)
    blocks = framed.content.count(INFO + bytes([len(COLUMNS) + 1]))
    assert blocks > 1
    per_block = len(INFO) + len(COLUMNS) + 1
    assert len(framed.content) == len(plain.content) + blocks * per_block


def test_a_type_of_unknown_layout_is_refused(http: httpx.Client) -> None:
    response = http.post("/", params=NEWER, content="SELECT sumState(1)")
    assert (response.status_code, response.headers["X-ClickHouse-Exception-Code"]) == (501, "48")


@given(step=st.integers(min_value=1, max_value=30))
def test_blocks_may_be_spread_over_pieces(step: int) -> None:
    column = b"\x01a\x06String"
    block = b"\x01\x02" + column + b"\x01x\x05hello"
    data = block * 3
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    framed = INFO + b"\x01\x02" + column + b"\0" + b"\x01x\x05hello"
    assert b"".join(reframe(pieces)) == framed * 3


def test_the_type_in_the_message_is_the_column_s() -> None:
    with pytest.raises(EngineError, match="Variant"):
        list(reframe([b"\x01\x01\x01a\x0eVariant(UInt8)\x00"]))
