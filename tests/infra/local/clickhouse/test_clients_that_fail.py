"""Clients that go away or stand still: nothing half sent is acknowledged, no place is lost."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.infra.local.clickhouse.owner import Owner
from tests.infra.local.clickhouse.test_process import insert_head

CREATE = "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a"
ENDLESS = "SELECT uniqExact(number) FROM numbers(1000000000000)"
RUNNING = "SELECT count() FROM system.processes WHERE query LIKE '%uniqExact(number)%numbers(1000%'"


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def running(http: httpx.Client) -> int:
    """How many of the endless queries run; the question itself is one of those found."""
    return int(http.post("/", content=RUNNING).text) - 1


@pytest.mark.parametrize("rows", [0, 1, 50_000])
def test_an_insert_that_is_cut_off_writes_nothing(own_directory: Path, rows: int) -> None:
    with Owner(own_directory, "--max-queries", "2") as owner, owner.http() as http:
        http.post("/", content=CREATE).raise_for_status()
        body = b"".join(b"%d\n" % number for number in range(rows))
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", owner.port)) as connection:
                connection.sendall(insert_head(owner, body_bytes=len(body) + 1) + body)
                time.sleep(0.1)
        eventually(lambda: owner.log.read_text().count("broke off before its end") == 4)
        assert http.post("/", content="SELECT count() FROM t").text == "0\n"


def test_a_chunked_insert_that_is_cut_off_writes_nothing(own_directory: Path) -> None:
    with Owner(own_directory) as owner, owner.http() as http:
        http.post("/", content=CREATE).raise_for_status()
        head = insert_head(owner, body_bytes=0)
        head = head.replace(b"content-length: 0", b"transfer-encoding: chunked")
        with socket.create_connection(("127.0.0.1", owner.port)) as connection:
            connection.sendall(head + b"4\r\n1\n2\n\r\n")
            time.sleep(0.1)
        eventually(lambda: "broke off before its end" in owner.log.read_text())
        assert http.post("/", content="SELECT count() FROM t").text == "0\n"


def test_a_client_that_stands_still_in_its_body_is_turned_away(own_directory: Path) -> None:
    with Owner(own_directory, "--idle-seconds", "0.5") as owner, owner.http() as http:
        http.post("/", content=CREATE).raise_for_status()
        with socket.create_connection(("127.0.0.1", owner.port)) as connection:
            connection.sendall(insert_head(owner, body_bytes=100) + b"1\n")
            answer = connection.recv(10_000)
        assert b"X-ClickHouse-Exception-Code: 209".lower() in answer.lower()
        assert http.post("/", content="SELECT count() FROM t").text == "0\n"


def test_a_reader_that_stands_still_loses_its_place(own_directory: Path) -> None:
    options = ("--idle-seconds", "0.5", "--max-queries", "1")
    with Owner(own_directory, *options) as owner, owner.http() as http, owner.http() as slow:
        text = "SELECT number FROM numbers(10000000000)"
        with slow.stream("POST", "/", content=text) as response:
            assert response.status_code == 200
            assert http.post("/", content="SELECT 1").text == "1\n"


def test_a_query_is_stopped_when_its_client_goes_away(owner: Owner, http: httpx.Client) -> None:
    with owner.http(timeout=0.5) as impatient, pytest.raises(httpx.ReadTimeout):
        impatient.post("/", content=ENDLESS)
    eventually(lambda: running(http) == 0)


@pytest.mark.timed
def test_more_queries_than_allowed_wait_and_are_then_refused(own_directory: Path) -> None:
    options = ("--max-queries", "2", "--max-waiting", "1", "--wait-seconds", "1")
    with Owner(own_directory, *options) as owner:
        connections = []
        with owner.http() as http:
            for _ in range(2):
                connection = socket.create_connection(("127.0.0.1", owner.port))
                connection.sendall(insert_head(owner, body_bytes=100))
                connections.append(connection)
            time.sleep(0.3)
            began = time.monotonic()
            response = http.post("/", content="SELECT 1")
            assert response.headers["X-ClickHouse-Exception-Code"] == "202"
            assert response.status_code == 429
            assert 0.9 < time.monotonic() - began < 5
            assert http.get("/ping").text == "Ok.\n"
            for connection in connections:
                connection.close()
            eventually(lambda: http.post("/", content="SELECT 1").text == "1\n")
