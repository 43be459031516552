"""A disk that is full: nothing is acknowledged that is not whole on it."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import httpx
import pytest

from infra.local.clickhouse.durability import EXIT_CODE
from tests.infra.local.clickhouse.owner import Owner
from tests.infra.local.clickhouse.test_process import DURABLE

LIMIT_BYTES = 512


def limit_files(owner: Owner, size: int | None) -> None:
    """Let no file of the owner grow beyond `size`: its writes fail as on a full disk."""
    pid = owner.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def test_a_failed_write_is_not_acknowledged_and_the_restart_puts_it_aside(
    own_directory: Path,
) -> None:
    insert = "INSERT INTO t SELECT number FROM numbers({})"
    values = ", ".join(f"({number * 1_000_003})" for number in range(1000))
    with Owner(own_directory) as owner:
        with owner.http() as http:
            http.post("/", content=DURABLE).raise_for_status()
            http.post("/", content=insert.format(10)).raise_for_status()
            limit_files(owner, LIMIT_BYTES)
            with pytest.raises(httpx.TransportError):
                http.post("/", content=f"INSERT INTO t VALUES {values}")
        assert owner.wait() == EXIT_CODE
        assert "writes into" in owner.log.read_text()
        owner.start()
        with owner.http() as http:
            assert http.post("/", content="SELECT count(), sum(a) FROM t").text == "10\t45\n"
            http.post("/", content=f"INSERT INTO t VALUES {values}").raise_for_status()
            assert http.post("/", content="SELECT count() FROM t").text == "1010\n"


def test_an_insert_without_room_is_refused_as_a_server_would_and_the_owner_goes_on(
    own_directory: Path,
) -> None:
    own_directory.mkdir()
    free = shutil.disk_usage(own_directory).free
    reserve = str(free - (1 << 30))  # other tests use the disk, too
    with Owner(own_directory, "--min-free-bytes", reserve) as owner, owner.http() as http:
        http.post("/", content=DURABLE).raise_for_status()
        http.post("/", content="INSERT INTO t VALUES (1)").raise_for_status()
        rows = b"INSERT INTO t FORMAT RowBinary\n" + bytes(512 << 20)
        refused = http.post("/", content=rows)
        assert refused.headers["X-ClickHouse-Exception-Code"] == "243"
        assert "not enough space" in refused.text
