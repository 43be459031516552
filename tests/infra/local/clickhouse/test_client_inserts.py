"""The unmodified clickhouse-connect client writes."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.infra.local.clickhouse.owner import Owner

COLUMNS = {
    "a": "UInt64",
    "d": "Decimal(38, 12)",
    "t": "DateTime64(6, 'UTC')",
    "f": "FixedString(16)",
    "l": "LowCardinality(String)",
    "ar": "Array(UInt32)",
    "m": "Map(String, UInt64)",
    "n": "Nullable(String)",
    "u": "UUID",
    "nd": "Array(Nullable(Decimal(38, 12)))",
}


def table_of_many_types(client: Client) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    client.command(f"CREATE TABLE types ({columns}) ENGINE = MergeTree ORDER BY a")


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_values_of_many_types_come_back_exactly(
    owner: Owner, database: str, compress: str | bool
) -> None:
    rows = [
        [
            number,
            Decimal(number) / 8 + Decimal("99999999999999.000000000001"),
            dt.datetime(2026, 1, 1, 0, 0, number % 60, 123456 + number, tzinfo=dt.UTC),
            bytes([number % 256]) * 16,
            f"kind {number % 3}",
            [1, 2, number],
            {"k": number},
            None if number % 2 else "text with 'quotes' and \t tabs",
            UUID(int=number << 64),
            [None, Decimal("-0.000000000001")],
        ]
        for number in range(1000)
    ]
    with owner.client(database=database, compress=compress) as client:
        table_of_many_types(client)
        summary = client.insert("types", rows, column_names=list(COLUMNS))
        found = client.query("SELECT * FROM types ORDER BY a", query_tz="UTC").result_rows
    assert summary.written_rows == 1000
    # The client gives instants in UTC without their zone.
    aware = [[*row[:2], row[2].replace(tzinfo=dt.UTC), *row[3:]] for row in found]
    assert aware == rows


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.tuples(
            st.decimals(min_value=-(10**15), max_value=10**15, places=12),
            st.text(st.characters(codec="utf-8"), max_size=20),
            st.none() | st.integers(min_value=0, max_value=2**64 - 1),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_values_come_back(
    client: Client, values: list[tuple[Decimal, str, int | None]]
) -> None:
    client.command(
        "CREATE OR REPLACE TABLE any"
        " (i UInt32, d Decimal(38, 12), s String, n Nullable(UInt64)) ENGINE = MergeTree ORDER BY i"
    )
    rows = [[index, *value] for index, value in enumerate(values)]
    client.insert("any", rows, column_names=["i", "d", "s", "n"])
    found = client.query("SELECT * FROM any ORDER BY i").result_rows
    assert [list(row) for row in found] == rows


def arrow_events(rows: int) -> pa.Table:
    return pa.table(
        {
            "a": pa.array(range(rows), pa.uint64()),
            "d": pa.array([Decimal(number) for number in range(rows)], pa.decimal128(38, 12)),
            "t": pa.array(
                [1_700_000_000_000_000 + n for n in range(rows)], pa.timestamp("us", "UTC")
            ),
            "s": [f"customer {number % 100}" for number in range(rows)],
        }
    )


def arrow_table(client: Client) -> None:
    client.command(
        "CREATE TABLE events (a UInt64, d Decimal(38, 12), t DateTime64(6, 'UTC'),"
        " s LowCardinality(String)) ENGINE = MergeTree ORDER BY a"
    )


@pytest.mark.parametrize("compress", ["lz4", "zstd", False])
def test_arrow_tables_go_in_and_come_out_equal(
    owner: Owner, database: str, compress: str | bool
) -> None:
    sent = arrow_events(65_536)
    with owner.client(database=database, compress=compress) as client:
        arrow_table(client)
        assert client.insert_arrow("events", sent).written_rows == 65_536
        found = client.query_arrow("SELECT * FROM events ORDER BY a", use_strings=True)
    for name in ("a", "d", "s"):
        assert found.column(name).to_pylist() == sent.column(name).to_pylist()


def test_frames_go_in(client: Client) -> None:
    arrow_table(client)
    client.insert_df("events", arrow_events(10).to_pandas())
    assert client.query("SELECT sum(d), min(s) FROM events").result_rows == [
        (Decimal(45), "customer 0")
    ]


def test_raw_rows_go_in(client: Client) -> None:
    client.command("CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a")
    client.raw_insert("t", ["a", "b"], b"1,x\n2,y\n", fmt="CSV")
    client.raw_insert("t", ["a", "b"], (part for part in (b"3,", b"z\n")), fmt="CSV")
    assert client.query("SELECT * FROM t ORDER BY a").result_rows == [(1, "x"), (2, "y"), (3, "z")]


def test_rows_that_do_not_fit_are_refused_and_none_is_kept(client: Client) -> None:
    client.command("CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a")
    with pytest.raises(DatabaseError) as refused:
        client.raw_insert("t", ["a", "b"], b"1,x\n" * 1000 + b"zzz,y\n", fmt="CSV")
    assert refused.value.code == 27
    assert "at row 1001" in str(refused.value)
    with pytest.raises(DatabaseError) as missing:
        client.raw_insert("nowhere", ["a"], b"1\n", fmt="CSV")
    assert missing.value.code == 60
    assert client.query("SELECT count() FROM t").result_rows == [(0,)]


def test_many_threads_insert_through_one_client(client: Client) -> None:
    arrow_table(client)
    batch = arrow_events(10_000)

    def insert() -> None:
        for _ in range(5):
            client.insert_arrow("events", batch)

    threads = [threading.Thread(target=insert) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.query("SELECT count(), sum(a) FROM events").result_rows == [
        (400_000, 40 * sum(range(10_000)))
    ]
