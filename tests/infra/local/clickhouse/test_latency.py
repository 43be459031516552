"""Slow queries hold up nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from tests.infra.local.clickhouse.owner import Owner

LIMIT_SECONDS = 0.1
SLOW_SECONDS = 3.0
ROUNDS = 8
MIN_SAMPLES = 20
SLOW = (
    "SELECT uniqExact(number % 1000000), sum(sipHash64(number)) FROM numbers(1000000000000)"
    " SETTINGS max_execution_time = {seconds}, timeout_overflow_mode = 'break'"
)
"""Works for as long as it is told, whatever else the machine does."""


@dataclass(frozen=True)
class Delays:
    """Seconds that each ping and each insert took."""

    ping: list[float]
    insert: list[float]

    def worst(self) -> tuple[float, float]:
        return max(self.ping), max(self.insert)


@dataclass(frozen=True)
class Round:
    """The same pings and inserts beside slow queries, and right before and after them."""

    loaded: Delays
    quiet: Delays

    def added_seconds(self) -> tuple[float, float]:
        """How much worse the worst ping and the worst insert were because of the queries."""
        loaded, quiet = self.loaded.worst(), self.quiet.worst()
        return loaded[0] - quiet[0], loaded[1] - quiet[1]

    def holds(self) -> bool:
        return len(self.loaded.ping) >= MIN_SAMPLES and max(self.added_seconds()) < LIMIT_SECONDS


def sample(owner: Owner, client: Client, more: Callable[[], bool]) -> Delays:
    """Ping and insert in turn, at least once and while there is `more`."""
    delays = Delays([], [])
    batch = pa.table({"a": pa.array(range(1000), pa.uint64()), "b": ["x"] * 1000})
    with httpx.Client(base_url=owner.url) as http:
        http.get("/ping")
        while not delays.ping or more():
            began = time.perf_counter()
            assert http.get("/ping").text == "Ok.\n"
            delays.ping.append(time.perf_counter() - began)
            began = time.perf_counter()
            client.insert_arrow("t", batch)
            delays.insert.append(time.perf_counter() - began)
            time.sleep(0.02)
    return delays


def sample_for(owner: Owner, client: Client, seconds: float) -> Delays:
    end = time.perf_counter() + seconds
    return sample(owner, client, lambda: time.perf_counter() < end)


def measure(owner: Owner, client: Client) -> Round:
    """Half of the quiet samples, those beside two slow queries, the other half."""

    def ask() -> None:
        with owner.http(timeout=120) as http:
            query = SLOW.format(seconds=SLOW_SECONDS)
            http.post("/", content=query).raise_for_status()

    before = sample_for(owner, client, SLOW_SECONDS / 2)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    loaded = sample(owner, client, lambda: all(thread.is_alive() for thread in threads))
    for thread in threads:
        thread.join()
    after = sample_for(owner, client, SLOW_SECONDS / 2)
    quiet = Delays(before.ping + after.ping, before.insert + after.insert)
    return Round(loaded, quiet)


@pytest.mark.timed
@pytest.mark.slow
def test_two_slow_queries_delay_neither_a_ping_nor_an_insert(owner: Owner, client: Client) -> None:
    client.command("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    rounds: list[Round] = []
    # Other work on the machine can hold up anybody for a moment, also in one half of a round
    # alone; a server that lets one request wait for another shows it in every round.
    while len(rounds) < ROUNDS and not (rounds and rounds[-1].holds()):
        rounds.append(measure(owner, client))
    worst = [(each.loaded.worst(), each.quiet.worst(), len(each.loaded.ping)) for each in rounds]
    assert rounds[-1].holds(), worst


@pytest.mark.timed
@pytest.mark.slow
def test_the_measurement_notices_an_insert_that_waits_for_a_query(own_directory: Path) -> None:
    with Owner(own_directory, "--max-queries", "1") as owner, owner.client() as client:
        client.command("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
        serialised = measure(owner, client)
    assert not serialised.holds()
    assert serialised.added_seconds()[1] > SLOW_SECONDS / 2
