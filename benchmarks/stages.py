"""Where the time of the stream stage goes: its steps one after another, in one process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import polars as pl

from benchmarks.events import Recount, Traffic, generate
from benchmarks.installation import Installation
from benchmarks.producing import envelopes
from catalog.metering.aggregate import CompiledMeters, compile_meters, measure, total
from core.clock import epoch_micros, monotonic_seconds
from core.envelope import decode_envelope
from streams.generation import Generation, ensure_generation
from streams.index import DedupeIndex
from streams.lane import Lane
from streams.records import Record, decode, key_halves
from streams.sink import Sink

_STEP_RECORDS: Final = 128
_MILLIS: Final = 1000


class Stopwatch:
    """Seconds by name."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add the time that the block takes."""
        began = monotonic_seconds()
        yield
        self.seconds[name] += monotonic_seconds() - began


def time_stages(
    where: Installation, traffic: Traffic, tell: Callable[[int], None]
) -> dict[str, float]:
    """Seconds of each step for the events of `traffic`, without waiting for one another.

    Arrow decoding, JSON paths, judging and totals are timed alone; then the lane's whole step on
    the same records, of which the rest is what they do not explain; then the writes.
    """
    generation = ensure_generation(where.endpoints)
    compiled = compile_meters(where.meters, len(where.meters))
    log_time_ms = epoch_micros(traffic.end) // _MILLIS
    log: list[list[Record]] = [[] for _ in range(traffic.partitions)]
    recount = Recount()
    for partition, value, _ in envelopes(traffic, generate(traffic, recount)):
        log[partition].append(Record(len(log[partition]), log_time_ms, value))
        tell(recount.events)
    sink = Sink(where.endpoints, generation)
    watch = Stopwatch()
    _time_lane(watch, 0, log[0][:1], generation, compiled, None)  # compiles what is compiled
    watch.seconds.clear()
    for partition, records in enumerate(log):
        _time_lane(watch, partition, records, generation, compiled, sink)
    sink.close()
    return _shares(watch.seconds)


def _time_lane(
    watch: Stopwatch,
    partition: int,
    records: list[Record],
    generation: Generation,
    compiled: CompiledMeters,
    sink: Sink | None,
) -> None:
    horizon_ms = generation.horizon_seconds * _MILLIS
    lane = Lane(generation, partition, 0, 0, DedupeIndex(horizon_ms), compiled, no_targets)
    index = DedupeIndex(horizon_ms)
    for at in range(0, len(records), _STEP_RECORDS):
        batch = records[at : at + _STEP_RECORDS]
        _time_parts(watch, batch, partition, generation, compiled, index)
        with watch.time("step"):
            flushes = list(lane.step(batch, compiled))
        if sink is None:
            continue
        for flush in flushes:
            with watch.time("writes"):
                sink.write(partition, flush, threading.Event())


def no_targets(keys: pl.Series, before: int) -> pl.DataFrame:
    """The log of a benchmark holds no voids."""
    raise AssertionError((len(keys), before))


def _time_parts(
    watch: Stopwatch,
    batch: list[Record],
    partition: int,
    generation: Generation,
    compiled: CompiledMeters,
    index: DedupeIndex,
) -> None:
    with watch.time("Arrow"):
        for record in batch:
            decode_envelope(record.value or b"")
    with watch.time("decode"):
        decoded = decode(batch, 0, partition, generation.partitions, compiled)
    events = decoded.events
    with watch.time("JSON paths"):
        measure(events, compiled)
    with watch.time("judge"):
        verdicts = index.judge(
            key_halves(events["key"]),
            events["content_hash"].to_numpy(),
            events["log_time_ms"].to_numpy(),
            events["reason"].is_null().to_numpy(),
        )
    accepted = events.filter(pl.Series(verdicts) == 0).with_columns(
        run=pl.col("offset") // generation.chunk_records
    )
    with watch.time("totals"):
        total(accepted, compiled, ("run",))


def _shares(seconds: dict[str, float]) -> dict[str, float]:
    step, decoding = seconds["step"], seconds["decode"]
    known = decoding + seconds["judge"] + seconds["totals"]
    return {
        "decode: Arrow": seconds["Arrow"],
        "decode: JSON paths": seconds["JSON paths"],
        "decode: contract and rest": decoding - seconds["Arrow"] - seconds["JSON paths"],
        "judge": seconds["judge"],
        "totals": seconds["totals"],
        "rest of the step": step - known,
        "writes": seconds["writes"],
    }
