"""What a worker counts about itself. Nothing here looks at single events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import polars as pl
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core import metric_names
from core.clock import Clock, SystemClock, monotonic_seconds
from telemetry.columns import ColumnHistogram

VERDICTS: Final = {
    "accepted": "accepted",
    "duplicates": "duplicate",
    "conflicts": "conflict",
    "rejected": "rejected",
}
"""Column of the ledger -> the label of what it counts."""

_REASONS: Final = ("missing", "not_a_number", "too_large", "too_precise", "too_long")
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800, 21600)
_MILLIS: Final = 1000
_MICROS: Final = 1_000_000

EVENTS: Final = Counter(metric_names.STREAM_EVENTS, "Events judged and written.", ("verdict",))
RECORDS: Final = Counter(metric_names.STREAM_RECORDS, "Records of the log proved by the ledger.")
UNMETERABLE: Final = Counter(
    metric_names.STREAM_UNMETERABLE, "Values that a meter could not read.", ("reason",)
)
IMBALANCE: Final = Counter(
    metric_names.STREAM_LEDGER_IMBALANCE, "Events announced but not in the ledger, or reverse."
)
FLUSH_SECONDS: Final = Histogram(
    metric_names.STREAM_FLUSH_SECONDS, "One acknowledged write.", ("table",), buckets=_SECONDS
)
WAITING: Final = Gauge(metric_names.STREAM_WAITING, "Requests that wait for a server.")
RETRIES: Final = Counter(metric_names.STREAM_RETRIES, "Requests repeated for a server's sake.")
FRESHNESS: Final = ColumnHistogram(
    metric_names.STREAM_FRESHNESS_SECONDS,
    "From an event's receipt to being queryable.",
    _SECONDS,
    per_unit=_MICROS,
)
REGISTRY.register(FRESHNESS)

for _verdict in VERDICTS.values():
    EVENTS.labels(_verdict)
for _reason in _REASONS:
    UNMETERABLE.labels(_reason)


@contextmanager
def timed(table: str) -> Iterator[None]:
    """Count the time that a write takes until it is acknowledged."""
    began = monotonic_seconds()
    yield
    FLUSH_SECONDS.labels(table).observe(monotonic_seconds() - began)


def count_unmeterable(usage: pl.DataFrame) -> None:
    """Count the values that meters could not read in rows of `meter_usage`."""
    if not usage["unmeterable_count"].to_numpy().any():
        return
    for reason in _REASONS:
        count = int(usage[f"{reason}_count"].to_numpy().sum())
        if count > 0:
            UNMETERABLE.labels(reason).inc(count)


@dataclass(slots=True)
class LaneFacts:
    """One lane as a scrape sees it: the lane's threads set plain values, the scrape reads them.

    `oldest_ms`: broker's time of the oldest record here that is not proved; `uncommitted_since`:
    monotonic seconds since when something waits for its chunk, None where nothing does.
    """

    generation: int
    partition: int
    proved_end: int | None = None
    oldest_ms: int | None = None
    uncommitted_since: float | None = None
    index_keys: Callable[[], int] = int
    log_end: Callable[[], int | None] = int
    halted: bool = False


class LaneCollector(Collector):
    """The lanes of this process, looked at when somebody scrapes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[tuple[int, int], LaneFacts] = {}
        self._lock = threading.Lock()

    def add(self, lane: LaneFacts) -> None:
        """Look at a lane from now on, instead of the one of its partition there was."""
        with self._lock:
            self._lanes[lane.generation, lane.partition] = lane

    def remove(self, lane: LaneFacts) -> None:
        """Look at it no more."""
        with self._lock:
            if self._lanes.get((lane.generation, lane.partition)) is lane:
                del self._lanes[lane.generation, lane.partition]

    def collect(self) -> Iterable[Metric]:
        """Lag, commit age and index size of every lane, and how many are halted."""
        with self._lock:
            lanes = list(self._lanes.values())
        halted = sum(lane.halted for lane in lanes)
        yield GaugeMetricFamily(metric_names.STREAM_HALTED, "Halted partitions.", value=halted)
        names = ("generation", "partition")
        families = {
            name: GaugeMetricFamily(name, documentation, labels=names)
            for name, documentation in _LANE_METRICS.items()
        }
        for lane in lanes:
            labels = (str(lane.generation), str(lane.partition))
            for name, value in self._values(lane).items():
                families[name].add_metric(labels, value)
        yield from families.values()

    def _values(self, lane: LaneFacts) -> dict[str, float]:
        since = lane.uncommitted_since
        values: dict[str, float] = {
            metric_names.STREAM_COMMIT_AGE_SECONDS: (
                0.0 if since is None else monotonic_seconds() - since
            ),
            metric_names.STREAM_INDEX_KEYS: lane.index_keys(),
        }
        end = lane.log_end()
        if end is not None and lane.proved_end is not None:
            lag, oldest = max(0, end - lane.proved_end), lane.oldest_ms
            values[metric_names.STREAM_LAG_RECORDS] = lag
            now = self._clock.now_micros() / _MICROS
            values[metric_names.STREAM_LAG_SECONDS] = (
                max(0.0, now - oldest / _MILLIS) if lag and oldest is not None else 0.0
            )
        return values


_LANE_METRICS: Final = {
    metric_names.STREAM_LAG_RECORDS: "Records of the log that the ledger does not prove yet.",
    metric_names.STREAM_LAG_SECONDS: "Age of the oldest record that is not proved.",
    metric_names.STREAM_COMMIT_AGE_SECONDS: "Since the committed offset moved.",
    metric_names.STREAM_INDEX_KEYS: "Keys in the dedupe index.",
}


LANES: Final = LaneCollector(SystemClock())
"""The lanes of this process."""

REGISTRY.register(LANES)
