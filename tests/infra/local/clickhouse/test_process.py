"""The owner as a process: starting, stopping, dying, and what survives."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.infra.local.clickhouse.owner import Owner

DURABLE = (
    "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a"
    " SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
)


def last_error(owner: Owner) -> str:
    """The one line that the owner wrote before it gave up."""
    lines = [line for line in owner.log.read_text().splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, owner.log.read_text()
    return lines[0]


@pytest.mark.timed
def test_acknowledged_rows_survive_sigkill_and_the_restart_is_quick(own_directory: Path) -> None:
    acknowledged = 0
    with Owner(own_directory) as owner:
        with owner.http() as http:
            http.post("/", content=DURABLE).raise_for_status()
            http.post("/", content="CREATE DATABASE kept").raise_for_status()
            for number in range(20):
                http.post("/", content=f"INSERT INTO t VALUES ({number})").raise_for_status()
                acknowledged += 1
        owner.kill()
        began = time.monotonic()
        owner.start()
        assert time.monotonic() - began < 10
        with owner.http() as http:
            count = http.post("/", content="SELECT count(), max(a) FROM t").text
            assert http.post("/", content="EXISTS DATABASE kept").text == "1\n"
    assert count == f"{acknowledged}\t{acknowledged - 1}\n"


def test_sigkill_in_the_middle_of_inserts_loses_nothing_acknowledged(own_directory: Path) -> None:
    acknowledged: list[int] = []
    with Owner(own_directory) as owner:

        def insert() -> None:
            with owner.http() as http:
                for number in range(100_000):
                    try:
                        response = http.post("/", content=f"INSERT INTO t VALUES ({number})")
                    except httpx.TransportError:
                        return
                    assert response.status_code == 200
                    acknowledged.append(number)

        with owner.http() as http:
            http.post("/", content=DURABLE).raise_for_status()
        writer = threading.Thread(target=insert)
        writer.start()
        while len(acknowledged) < 30:
            time.sleep(0.01)
        owner.kill()
        writer.join()
        owner.start()
        with owner.http() as http:
            found = http.post("/", content="SELECT a FROM t ORDER BY a").text.split()
    assert set(map(str, acknowledged)) <= set(found)
    assert len(found) - len(acknowledged) in {0, 1}


def test_sigterm_finishes_running_inserts_and_ends_with_zero(own_directory: Path) -> None:
    with Owner(own_directory) as owner:
        with owner.http() as http:
            http.post("/", content=DURABLE).raise_for_status()
        with socket.create_connection(("127.0.0.1", owner.port)) as connection:
            connection.sendall(insert_head(owner, body_bytes=6) + b"1\n2\n")
            time.sleep(0.3)
            owner.process.terminate()
            time.sleep(0.3)
            assert owner.process.poll() is None
            connection.sendall(b"3\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert owner.wait() == 0
        owner.start()
        with owner.http() as http:
            assert http.post("/", content="SELECT count() FROM t").text == "3\n"
        assert owner.terminate() == 0


@pytest.mark.timed
def test_sigterm_waits_for_a_stuck_client_only_so_long(own_directory: Path) -> None:
    with Owner(own_directory, "--stop-seconds", "1") as owner:
        with owner.http() as http:
            http.post("/", content=DURABLE).raise_for_status()
        with socket.create_connection(("127.0.0.1", owner.port)) as connection:
            connection.sendall(insert_head(owner, body_bytes=100) + b"1\n")
            time.sleep(0.3)
            began = time.monotonic()
            assert owner.terminate() == 0
        assert time.monotonic() - began < 10
        owner.start()
        with owner.http() as http:
            assert http.post("/", content="SELECT count() FROM t").text == "0\n"


def insert_head(owner: Owner, body_bytes: int) -> bytes:
    with owner.http() as http:
        request = http.build_request(
            "POST",
            "/",
            params={"query": "INSERT INTO t FORMAT TSV"},
            headers={"Content-Length": str(body_bytes)},
        )
        authorized = next(http.auth.sync_auth_flow(request)) if http.auth else request
    lines = [f"POST {request.url.raw_path.decode()} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in authorized.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_second_owner_of_the_directory_is_refused(own_directory: Path) -> None:
    with Owner(own_directory) as owner:
        second = Owner(own_directory)
        second.log = own_directory.with_name("second.log")
        second.launch()
        assert second.wait() == 1
        assert f"already owned by the process with pid {owner.process.pid}" in last_error(second)
        with owner.http() as http:
            assert http.post("/", content="SELECT 1").text == "1\n"


def test_a_taken_port_is_refused(own_directory: Path, tmp_path: Path) -> None:
    with Owner(own_directory) as owner:
        second = Owner(tmp_path / "other", port=owner.port)
        second.launch()
        assert second.wait() == 1
        assert f"--port {owner.port}: cannot listen" in last_error(second)


def test_a_full_disk_is_refused_before_anything_is_written(own_directory: Path) -> None:
    owner = Owner(own_directory, "--min-free-bytes", str(1 << 60))
    owner.launch()
    assert owner.wait() == 1
    assert "MiB are free on this disk; free at least" in last_error(owner)


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), ("\n", "it is empty")])
def test_a_missing_password_is_refused(
    own_directory: Path, content: str | None, message: str
) -> None:
    owner = Owner(own_directory)
    if content is None:
        owner.password_file.unlink()
    else:
        owner.password_file.write_text(content)
    owner.launch()
    assert owner.wait() == 1
    assert message in last_error(owner)


def test_a_memory_limit_holds_for_the_whole_engine(own_directory: Path) -> None:
    with Owner(own_directory, "--memory-bytes", "1000000000") as owner, owner.http() as http:
        response = http.post("/", content="SELECT groupArray(number) FROM numbers(300000000)")
        assert response.headers["X-ClickHouse-Exception-Code"] == "241"
        assert http.post("/", content="SELECT 1").text == "1\n"
