"""Both runners on real servers: once each, one at a time, nothing by halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from clickhouse_connect.driver.client import Client

import sql
from core.endpoints import Endpoints
from core.errors import ConflictError, DependencyDownError, InternalError
from db import migrate as runner
from db.clickhouse import connect_clickhouse
from db.migrate import migrate, migrate_clickhouse, migrate_postgres
from db.migrations import Migration, discover
from infra.local.stack import LocalStack

RUNNERS = 4


def of_postgres(*texts: str) -> list[Migration]:
    return [Migration(n, f"{n:04}_create_{n}", text) for n, text in enumerate(texts, start=1)]


def of_clickhouse(*names: str) -> list[Migration]:
    """Each makes a table; none bears to be run twice at a time, so that a broken lock shows."""
    text = (
        "CREATE TABLE {0} (n UInt8) ENGINE = MergeTree ORDER BY n;\nINSERT INTO {0} VALUES (1);\n"
    )
    return [
        Migration(n, f"{n:04}_create_{name}", text.format(name))
        for n, name in enumerate(names, start=1)
    ]


@pytest.fixture
def empty_postgres(stack: LocalStack) -> Iterator[str]:
    server = stack.endpoints().postgres
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute("CREATE DATABASE unmigrated")
        yield urlunsplit(urlsplit(server)._replace(path="/unmigrated"))
        conn.execute("DROP DATABASE unmigrated WITH (FORCE)")


@pytest.fixture
def empty_clickhouse(stack: LocalStack) -> Iterator[str]:
    """The URL of a database that does not exist."""
    server = urlsplit(stack.endpoints().clickhouse)
    yield urlunsplit(server._replace(path="/unmigrated"))
    client = connect_clickhouse(urlunsplit(server._replace(path="/default")))
    client.command("DROP DATABASE IF EXISTS unmigrated SYNC")
    client.close()


@pytest.fixture
def client(empty_clickhouse: str) -> Iterator[Client]:
    migrate_clickhouse(empty_clickhouse, [])
    opened = connect_clickhouse(empty_clickhouse)
    yield opened
    opened.close()


def at_once(migrations: Callable[[], list[str]]) -> list[list[str]]:
    with ThreadPoolExecutor(RUNNERS) as threads:
        runs = [threads.submit(migrations) for _ in range(RUNNERS)]
    return [run.result() for run in runs]


def test_empty_servers_get_every_file_once(empty_postgres: str, empty_clickhouse: str) -> None:
    endpoints = Endpoints("127.0.0.1:1", empty_clickhouse, empty_postgres)
    expected = [
        *(f"postgres/{each.name}" for each in discover("postgres")),
        *(f"clickhouse/{each.name}" for each in discover("clickhouse")),
    ]
    assert migrate(endpoints) == expected
    assert migrate(endpoints) == []


def test_of_postgres_runners_at_once_one_does_the_work(empty_postgres: str) -> None:
    files = of_postgres("CREATE TABLE a (n int); SELECT pg_sleep(0.2)", "CREATE TABLE b (n int)")
    runs = at_once(lambda: migrate_postgres(empty_postgres, files))
    assert sorted(map(len, runs)) == [0] * (RUNNERS - 1) + [2]


def test_of_clickhouse_runners_at_once_one_does_the_work(empty_clickhouse: str) -> None:
    files = of_clickhouse("a", "b", "c")
    runs = at_once(lambda: migrate_clickhouse(empty_clickhouse, files))
    assert sorted(map(len, runs)) == [0] * (RUNNERS - 1) + [3]


def test_a_postgres_file_that_fails_leaves_nothing_of_itself(empty_postgres: str) -> None:
    broken = of_postgres("CREATE TABLE a (n int)", "CREATE TABLE b (n int); CREATE TABLE a (n int)")
    with pytest.raises(InternalError, match=r"postgres/0002_create_2: .*already exists"):
        migrate_postgres(empty_postgres, broken)
    fixed = of_postgres("CREATE TABLE a (n int)", "CREATE TABLE b (n int)")
    assert migrate_postgres(empty_postgres, fixed) == ["0002_create_2"]


def test_a_clickhouse_file_that_fails_is_run_again_and_the_lock_is_free(
    empty_clickhouse: str,
) -> None:
    broken = [Migration(1, "0001_create_a", "CREATE TABLE a (n Unknown) ENGINE = Memory;\n")]
    with pytest.raises(InternalError, match="clickhouse/0001_create_a: "):
        migrate_clickhouse(empty_clickhouse, broken)
    assert migrate_clickhouse(empty_clickhouse, of_clickhouse("a")) == ["0001_create_a"]


@pytest.mark.parametrize("engine", ["postgres", "clickhouse"])
def test_a_changed_file_is_refused(engine: str, empty_postgres: str, empty_clickhouse: str) -> None:
    run, url = {
        "postgres": (migrate_postgres, empty_postgres),
        "clickhouse": (migrate_clickhouse, empty_clickhouse),
    }[engine]
    text = "CREATE TABLE a (n int) {};\n".format("" if engine == "postgres" else "ENGINE = Memory")
    run(url, [Migration(1, "0001_create_a", text)])
    with pytest.raises(ConflictError, match="0001_create_a: the file was changed"):
        run(url, [Migration(1, "0001_create_a", text + "-- typo\n")])


def test_a_lock_in_use_is_waited_for_and_then_named(
    client: Client, empty_clickhouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOCK_WAIT_SECONDS", 0.3)
    client.command(sql.load("clickhouse/queries/create_migration_lock"))
    with pytest.raises(ConflictError, match="another migration of unmigrated is running"):
        migrate_clickhouse(empty_clickhouse, of_clickhouse("a"))


def test_the_lock_of_a_killed_runner_is_stolen_by_one_of_many(
    client: Client, empty_clickhouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.command(sql.load("clickhouse/queries/create_migration_lock"))
    monkeypatch.setattr(runner, "CLICKHOUSE_LEASE_SECONDS", 3)
    files = of_clickhouse("a", "b")
    runs = at_once(lambda: migrate_clickhouse(empty_clickhouse, files))
    assert sorted(map(len, runs)) == [0] * (RUNNERS - 1) + [2]
    assert _tables(client) == ["a", "b", "schema_migrations"]


def _tables(client: Client) -> Sequence[str]:
    return [row[0] for row in client.query("SHOW TABLES").result_rows]


def test_servers_that_are_down_are_named() -> None:
    with pytest.raises(DependencyDownError, match=r"Postgres at 127\.0\.0\.1:1"):
        migrate_postgres("postgresql://app:pw@127.0.0.1:1/x")
    with pytest.raises(DependencyDownError, match=r"ClickHouse at 127\.0\.0\.1:1"):
        migrate_clickhouse("http://app:pw@127.0.0.1:1/x")
