"""The ClickHouse client: its URL, its settings, its errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import pytest
from clickhouse_connect.driver.client import Client

from core.endpoints import Endpoints
from core.errors import DependencyDownError, ValidationError
from db.clickhouse import connect_clickhouse, parse_clickhouse_url


def test_a_url_is_read_with_its_escapes() -> None:
    address = parse_clickhouse_url("https://me:p%40ss@example.org/usage")
    assert (address.secure, address.host, address.port) == (True, "example.org", 8443)
    assert (address.user, address.password, address.database) == ("me", "p@ss", "usage")
    assert parse_clickhouse_url("http://127.0.0.1").port == 8123
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8123/x",
        "tcp://127.0.0.1:9000/x",
        "http://127.0.0.1:http/x",
        "http://:80/x",
        "http://127.0.0.1/a;b",
        "http://127.0.0.1/a/b",
    ],
)
def test_another_text_is_refused_by_the_name_of_its_variable(url: str) -> None:
    with pytest.raises(ValidationError, match="CLICKHOUSE_URL: "):
        parse_clickhouse_url(url)


def test_identical_inserts_are_all_kept_and_threads_share_a_client(
    installation: Endpoints,
) -> None:
    client = connect_clickhouse(installation.clickhouse)
    client.command("CREATE TABLE numbers (n UInt8) ENGINE = MergeTree ORDER BY n")

    def insert(_: int) -> None:
        client.insert("numbers", [[1], [2]], column_names=["n"])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(insert, range(8)))
    assert _count(client) == 16
    client.close()


def _count(client: Client) -> int:
    return int(client.query("SELECT count() FROM numbers").result_rows[0][0])


def test_a_server_that_is_down_is_named_without_its_password() -> None:
    with pytest.raises(DependencyDownError, match=r"127\.0\.0\.1:1 does not answer") as raised:
        connect_clickhouse("http://me:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in raised.value.message


def test_a_wrong_password_is_told_apart_from_a_server_that_is_down(
    installation: Endpoints,
) -> None:
    parts = urlsplit(installation.clickhouse)
    wrong = parts._replace(netloc=f"default:wrong@{parts.hostname}:{parts.port}")
    with pytest.raises(DependencyDownError, match="refuses the connection"):
        connect_clickhouse(urlunsplit(wrong))
