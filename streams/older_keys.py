"""The keys that older generations of the log hold for a partition of a newer one.

An older generation is read to its end before a newer one begins, so its keys are all known. They
come in the order of their log times.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from streams.generation import Generation
from streams.index import DedupeIndex
from streams.records import key_halves
from streams.sink import Stopped, until_done

_LOG = logging.getLogger(__name__)
KEYS_AT_A_TIME: Final = 4_000_000
"""About so many keys are loaded by one query."""

FOR_EVER_MS: Final = 4_102_444_800_000
"""2100-01-01, behind every log time."""

_MILLIS: Final = 1000
_WAIT_SECONDS: Final = 1.0


class OlderKeys:
    """Loads them for the lanes of one generation. Threads may share it."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._complete = threading.Event()
        self._one_at_a_time = threading.Lock()

    def hold(
        self,
        client: Client,
        index: DedupeIndex,
        partition: int,
        now_ms: int,
        stop: threading.Event,
    ) -> int:
        """Hold in `index` what older generations accepted for `partition`, back from log time.

        `now_ms` is the log time of the first record that will be judged; returns how many keys.
        Waits while ClickHouse shows less of the older generations than the ledger proves, as a
        lagging replica does.
        """
        if self._generation.number == 1:
            return 0
        generation = self._generation
        since = max(0, now_ms - generation.horizon_seconds * _MILLIS)
        self._await_complete(client, since, stop)
        where = {
            "generation": generation.number,
            "partitions": generation.partitions,
            "partition": partition,
            "since_ms": since,
        }
        accepted = int(_repeat(client, "older_accepted", where, stop).item())
        held = 0
        for start, end in windows(since, now_ms, accepted // generation.partitions):
            keys = _repeat(client, "older_keys", where | {"since_ms": start, "until_ms": end}, stop)
            index.hold(
                key_halves(keys["key"]),
                keys["content_hash"].to_numpy(),
                keys["log_time_ms"].to_numpy(),
            )
            held += len(keys)
        return held

    def _await_complete(self, client: Client, since_ms: int, stop: threading.Event) -> None:
        """Ask once for all lanes: older generations do not change any more."""
        where = {"generation": self._generation.number, "since_ms": since_ms}
        with self._one_at_a_time:
            while not self._complete.is_set():
                missing = _repeat(client, "older_events_missing", where, stop)
                if not len(missing):
                    self._complete.set()
                    return
                _LOG.warning("ClickHouse shows less than it proved: %s", missing.to_dicts())
                if stop.wait(_WAIT_SECONDS):
                    raise Stopped


def windows(since_ms: int, now_ms: int, keys: int) -> Iterator[tuple[int, int]]:
    """Half-open spans of log time from `since_ms` on, each with few enough of so many keys.

    The last one has no end: the clocks of two brokers may differ by anything.
    """
    many = 1 + keys // KEYS_AT_A_TIME
    span = max(1, (now_ms - since_ms) // many)
    for number in range(many - 1):
        yield since_ms + number * span, since_ms + (number + 1) * span
    yield since_ms + (many - 1) * span, FOR_EVER_MS


def _repeat(
    client: Client, name: str, parameters: dict[str, int], stop: threading.Event
) -> pl.DataFrame:
    def ask() -> pl.DataFrame:
        table = client.query_arrow(sql.load(f"clickhouse/queries/{name}"), parameters=parameters)
        return pl.DataFrame(pl.from_arrow(table))

    return until_done(ask, stop)
