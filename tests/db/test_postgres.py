"""Transactions, and what a caller learns when the server does not play along."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from core.errors import ConflictError, DependencyDownError, ValidationError
from db.postgres import Database, postgres_address

CREATE = "CREATE TABLE public.numbers (n integer PRIMARY KEY)"
INSERT = "INSERT INTO public.numbers VALUES (1)"
COUNT = "SELECT count(*) AS n FROM public.numbers"


def count(database: Database) -> int:
    with database.transaction() as conn:
        row = conn.execute(COUNT).fetchone()
    assert row is not None
    return int(row["n"])


def test_a_block_that_ends_is_committed_and_one_that_raises_is_not(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute(CREATE)

    def fail() -> None:
        with database.transaction() as conn:
            conn.execute(INSERT)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError):
        fail()
    assert count(database) == 0
    with database.transaction() as conn:
        conn.execute(INSERT)
    assert count(database) == 1


def test_a_snapshot_sees_one_instant_and_cannot_write(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute(CREATE)
    with database.transaction(snapshot=True) as conn:
        assert conn.execute(COUNT).fetchone() == {"n": 0}
        with database.transaction() as other:
            other.execute(INSERT)
        assert conn.execute(COUNT).fetchone() == {"n": 0}
    with (
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        database.transaction(snapshot=True) as c,
    ):
        c.execute(INSERT)
    assert count(database) == 1


def test_a_connection_lost_between_transactions_is_replaced(database: Database) -> None:
    with database.transaction() as conn:
        lost = conn.info.backend_pid
    with Database(database._url) as other, other.transaction() as conn:
        conn.execute("SELECT pg_terminate_backend(%s, 5000)", (lost,))
    with database.transaction() as conn:
        assert conn.info.backend_pid != lost


def test_a_connection_lost_inside_a_transaction_is_a_dependency_down(database: Database) -> None:
    def lose() -> None:
        with Database(database._url) as other, database.transaction() as conn:
            with other.transaction() as killer:
                killer.execute("SELECT pg_terminate_backend(%s, 5000)", (conn.info.backend_pid,))
            conn.execute("SELECT 1")

    with pytest.raises(DependencyDownError, match="Postgres at"):
        lose()


def test_a_deadlock_is_a_conflict_for_one_and_nothing_for_the_other(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute(CREATE)
        conn.execute("INSERT INTO public.numbers VALUES (1), (2)")
    both_hold_one = threading.Barrier(2)

    def lock(first: int, second: int) -> str:
        statement = "SELECT n FROM public.numbers WHERE n = %s FOR UPDATE"
        try:
            with database.transaction() as conn:
                conn.execute(statement, (first,))
                both_hold_one.wait(timeout=10)
                conn.execute(statement, (second,))
        except ConflictError:
            return "conflict"
        return "done"

    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(lock, 1, 2), threads.submit(lock, 2, 1)]
    assert sorted(each.result() for each in results) == ["conflict", "done"]


def test_threads_share_a_bounded_number_of_connections(database: Database) -> None:
    with Database(database._url, connections_max=2) as small:

        def backend(_: int) -> int:
            with small.transaction() as conn:
                conn.execute("SELECT pg_sleep(0.01)")
                return conn.info.backend_pid

        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(backend, range(40)))) <= 2


def test_a_server_that_is_down_is_named_without_its_password() -> None:
    with (
        Database("postgresql://app:hunter2@127.0.0.1:1/x") as down,
        pytest.raises(DependencyDownError, match=r"127\.0\.0\.1:1.*refused") as raised,
        down.transaction(),
    ):
        raise AssertionError("there is no server")
    assert "hunter2" not in raised.value.message


def test_a_text_that_is_no_connection_url_is_refused() -> None:
    with pytest.raises(ValidationError, match="DATABASE_URL: expected postgresql://"):
        postgres_address("http://127.0.0.1/x")


def test_sessions_think_in_utc_and_give_up_on_locks(database: Database) -> None:
    with database.transaction() as conn:
        row = conn.execute(
            "SELECT current_setting('TimeZone') AS zone, current_setting('lock_timeout') AS wait"
        ).fetchone()
    assert row == {"zone": "UTC", "wait": "10s"}
