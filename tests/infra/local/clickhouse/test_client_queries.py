"""The unmodified clickhouse-connect client asks."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_connect.driver.summary import QuerySummary

from tests.infra.local.clickhouse.owner import Owner


def test_parameters_are_bound_by_type(client: Client) -> None:
    result = client.query(
        "SELECT {n:UInt32}, {s:String}, {l:Array(String)}, {d:Decimal(38, 12)}, {t:DateTime64(6)},"
        " {u:UUID}, {x:Nullable(String)}",
        parameters={
            "n": 5,
            "s": "it's a\ttab\nand a \\ line",
            "l": ["a'b", "c"],
            "d": Decimal("1.000000000001"),
            "t": dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.UTC),
            "u": UUID(int=7),
            "x": None,
        },
    )
    row = result.result_rows[0]
    assert row[:4] == (5, "it's a\ttab\nand a \\ line", ["a'b", "c"], Decimal("1.000000000001"))
    assert row[5:] == (UUID(int=7), None)


def test_settings_hold_for_one_query_only(client: Client) -> None:
    question = "SELECT getSetting('max_block_size')"
    assert client.query(question, settings={"max_block_size": 7}).result_rows == [(7,)]
    assert client.query(question).result_rows != [(7,)]


def test_rows_stream_in_blocks_in_bounded_pieces(client: Client) -> None:
    with client.query_row_block_stream(
        "SELECT number, toString(number) FROM numbers(1000000) ORDER BY number"
    ) as blocks:
        sizes = [len(block) for block in blocks]
    assert sum(sizes) == 1_000_000
    assert len(sizes) > 5


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_answers_come_compressed_as_asked(owner: Owner, compress: str | bool) -> None:
    with owner.client(compress=compress) as client:
        result = client.query("SELECT number, repeat('x', 50) FROM numbers(100000)")
    assert result.row_count == 100_000
    assert result.result_columns[0][-1] == 99_999


def test_arrow_tables_come_with_types_and_schema_even_when_empty(client: Client) -> None:
    text = "SELECT number AS a, toString(number) AS b FROM numbers({rows:UInt64}) ORDER BY a"
    full = client.query_arrow(text, parameters={"rows": 300_000}, use_strings=True)
    assert full.column("a").to_pylist() == list(range(300_000))
    assert full.schema.field("b").type == pa.string()
    empty = client.query_arrow(text, parameters={"rows": 0}, use_strings=True)
    assert (empty.num_rows, empty.schema) == (0, full.schema)


def test_arrow_batches_stream(client: Client) -> None:
    with client.query_arrow_stream("SELECT number FROM numbers(500000)") as batches:
        assert sum(batch.num_rows for batch in batches) == 500_000


def test_pandas_frames_come(client: Client) -> None:
    frame = client.query_df("SELECT number AS a, toString(number) AS b FROM numbers(3)")
    assert frame["a"].tolist() == [0, 1, 2]
    assert frame["b"].tolist() == ["0", "1", "2"]


def test_raw_answers_come_in_the_format_asked_for(client: Client) -> None:
    assert client.raw_query("SELECT 1 AS a", fmt="JSONEachRow") == b'{"a":1}\n'
    with client.raw_stream("SELECT number FROM numbers(3)", fmt="CSV") as stream:
        assert stream.read() == b"0\n1\n2\n"


def test_commands_make_and_drop_databases_and_tables(client: Client) -> None:
    client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    summary = client.command("INSERT INTO t VALUES (1), (2)")
    assert isinstance(summary, QuerySummary)
    assert summary.written_rows == 2
    assert client.command("SELECT count() FROM t") == 2
    assert client.command("EXISTS TABLE t") == 1
    client.command("DROP TABLE t")
    assert client.command("EXISTS TABLE t") == 0


def test_a_command_may_bring_data(client: Client) -> None:
    client.command("CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a")
    client.command("INSERT INTO t FORMAT CSV", data="1,x\n2,y\n")
    assert client.query("SELECT * FROM t ORDER BY a").result_rows == [(1, "x"), (2, "y")]


def test_external_tables_come_with_a_query(client: Client) -> None:
    external = ExternalData(
        file_name="wanted",
        fmt="CSV",
        structure=["id UInt64", "name String"],
        data=b"3,three\n5,five\n",
    )
    result = client.query(
        "SELECT number, name FROM numbers(10) AS n INNER JOIN wanted AS w ON n.number = w.id"
        " ORDER BY number",
        external_data=external,
    )
    assert result.result_rows == [(3, "three"), (5, "five")]


def test_parameters_may_come_as_a_form(owner: Owner) -> None:
    with owner.client(form_encode_query_params=True) as client:
        result = client.query("SELECT {a:String}", parameters={"a": "x" * 100_000})
    assert result.result_rows == [("x" * 100_000,)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT nope", 47),
        ("SELECT * FROM nowhere", 60),
        ("SELEC 1", 62),
        ("SELECT throwIf(number = 900000) FROM numbers(1000000)", 395),
        ("SELECT {x:UInt8}", 456),
        ("CREATE USER somebody", 497),
    ],
)
def test_errors_carry_clickhouse_codes(client: Client, text: str, code: int) -> None:
    with pytest.raises(DatabaseError) as refused:
        client.query(text)
    assert refused.value.code == code
    assert f"Code: {code}. DB::Exception" in str(refused.value)


def test_an_unknown_setting_is_refused(client: Client) -> None:
    with pytest.raises(DatabaseError) as refused:
        client.query("SELECT 1", settings={"no_such_setting": 1})
    assert refused.value.code == 115


@pytest.mark.parametrize("compress", [False, "lz4"])
def test_an_error_in_mid_answer_is_never_taken_for_the_end(
    owner: Owner, compress: str | bool
) -> None:
    text = "SELECT number, throwIf(number = 9000000) FROM numbers(10000000)"
    with owner.client(compress=compress) as client, client.query_row_block_stream(text) as blocks:
        assert len(next(blocks)) > 0
        with pytest.raises(StreamFailureError, match="Code: 395"):
            list(blocks)


def test_a_wrong_password_is_refused(owner: Owner) -> None:
    with pytest.raises(DatabaseError, match="Authentication failed") as refused:
        owner.client(password="wrong")
    assert refused.value.code == 516


def test_many_threads_share_one_client(client: Client) -> None:
    answers: list[int] = []

    def ask(number: int) -> None:
        for _ in range(10):
            rows = client.query("SELECT {n:UInt32} + 1", parameters={"n": number}).result_rows
            answers.append(rows[0][0] - number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 240


def test_a_session_keeps_temporary_tables_and_settings_but_not_those_of_one_query(
    owner: Owner, database: str
) -> None:
    with owner.client(session_id="kept", database=database) as client:
        client.command("CREATE TEMPORARY TABLE scratch (a UInt8)")
        client.insert("scratch", [[1], [2]], column_names=["a"])
        assert client.query("SELECT sum(a) FROM scratch").result_rows == [(3,)]
        client.command("SET max_block_size = 11")
        question = "SELECT getSetting('max_block_size')"
        assert client.query(question, settings={"max_block_size": 12}).result_rows == [(12,)]
        assert client.query(question).result_rows == [(11,)]
    with owner.client(session_id="other", database=database) as other:
        with pytest.raises(DatabaseError) as refused:
            other.query("SELECT * FROM scratch")
        assert refused.value.code == 60
        assert other.query(question).result_rows != [(11,)]
