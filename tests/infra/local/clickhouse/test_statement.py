from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.clickhouse.errors import EngineError
from infra.local.clickhouse.statement import (
    InsertStatement,
    NeedMoreError,
    QueryStatement,
    parse,
)


@pytest.mark.parametrize(
    ("text", "head", "input_format", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2\n", b"INSERT INTO t ", "CSV", b"1,2\n"),
        (
            b"insert into t (a) format Native\n\x01\x02",
            b"insert into t (a) ",
            "Native",
            b"\x01\x02",
        ),
        (b"INSERT INTO t VALUES (1), (2)", b"INSERT INTO t ", "Values", b" (1), (2)"),
        (b"INSERT INTO t FORMAT TSV \t\r\n\n1", b"INSERT INTO t ", "TSV", b"\n1"),
        (b"INSERT INTO `format` FORMAT CSV\n1", b"INSERT INTO `format` ", "CSV", b"1"),
        (b"INSERT INTO values FORMAT CSV\n1", b"INSERT INTO values ", "CSV", b"1"),
        (b"INSERT INTO db.values VALUES (1)", b"INSERT INTO db.values ", "Values", b" (1)"),
        (
            b"INSERT INTO t (`FORMAT x`) VALUES (1)",
            b"INSERT INTO t (`FORMAT x`) ",
            "Values",
            b" (1)",
        ),
        (
            b"/* FORMAT JSON */ INSERT -- VALUES\n INTO t SETTINGS a = 'FORMAT' FORMAT TSKV\n1",
            b"/* FORMAT JSON */ INSERT -- VALUES\n INTO t SETTINGS a = 'FORMAT' ",
            "TSKV",
            b"1",
        ),
        (b"INSERT INTO t FORMAT CSV", b"INSERT INTO t ", "CSV", b""),
    ],
)
def test_an_insert_is_cut_where_its_rows_begin(
    text: bytes, head: bytes, input_format: str, data: bytes
) -> None:
    statement = parse(text, complete=True)
    assert isinstance(statement, InsertStatement)
    assert (statement.head, statement.input_format) == (head, input_format)
    assert text[statement.data_offset :] == data


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t SELECT * FROM s",
        b"INSERT INTO t WITH 1 AS x SELECT x FORMAT CSV",
        b"INSERT INTO t FROM INFILE 'x.csv' FORMAT CSV",
    ],
)
def test_an_insert_that_brings_its_own_rows_is_a_query(text: bytes) -> None:
    statement = parse(text, complete=True)
    assert isinstance(statement, QueryStatement)
    assert not statement.streamable


@pytest.mark.parametrize(
    ("text", "output_format", "streamable"),
    [
        (b"SELECT 1", None, True),
        (b"select 1 format JSON", "JSON", True),
        (b"SELECT 1 FORMAT CSV SETTINGS max_threads = 1;", "CSV", True),
        (b"SELECT 'FORMAT CSV', \"FORMAT TSV\" -- FORMAT XML", None, True),
        (b"SELECT $$ FORMAT CSV $$", None, True),
        (b"SELECT 'it''s \\' FORMAT CSV'", None, True),
        (b"SELECT (SELECT 1 FORMAT CSV)", None, True),
        (b"WITH 1 AS x SELECT x FORMAT Native", "Native", True),
        (b"SELECT a, count() FROM t GROUP BY a WITH TOTALS", None, False),
        (b"SHOW TABLES FORMAT TSV", "TSV", False),
        (b"CREATE TABLE t (format String) ENGINE = Memory", None, False),
    ],
)
def test_a_query_tells_its_format_and_whether_it_streams(
    text: bytes, output_format: str | None, streamable: bool
) -> None:
    statement = parse(text, complete=True)
    assert isinstance(statement, QueryStatement)
    assert (statement.output_format, statement.streamable) == (output_format, streamable)


def test_several_statements_in_one_request_are_refused() -> None:
    with pytest.raises(EngineError, match="Multi-statements") as refused:
        parse(b"SELECT 1; DROP TABLE t", complete=True)
    assert refused.value.exception_code == 62
    assert isinstance(parse(b"SELECT 1;\n-- the end\n", complete=True), QueryStatement)


def test_an_empty_text_is_a_syntax_error() -> None:
    with pytest.raises(EngineError, match="Empty query") as refused:
        parse(b" -- nothing\n", complete=True)
    assert refused.value.exception_code == 62


@given(cut=st.integers(min_value=0), data=st.binary(max_size=40))
def test_an_insert_is_read_alike_however_its_text_arrives(cut: int, data: bytes) -> None:
    head = b"INSERT INTO t (a, `b c`) SETTINGS x = 'y' FORMAT RowBinary\n"
    text = head + data
    arrived = text[: cut % (len(text) + 1)]
    try:
        early = parse(arrived, complete=False)
    except NeedMoreError:
        assert len(arrived) <= len(head)
    else:
        assert isinstance(early, InsertStatement)
        assert early == parse(text, complete=True)
        assert early.data_offset == len(head)


@given(st.binary(max_size=60))
def test_any_bytes_are_either_understood_or_refused_with_a_code(text: bytes) -> None:
    with contextlib.suppress(EngineError):
        assert isinstance(parse(text, complete=True), InsertStatement | QueryStatement)
