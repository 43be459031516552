"""`python -m benchmarks.bench_produce`: from records to Kafka's acknowledgement.

Envelopes beside one `produce()` for each event with a callback, and beside the producer test that
comes with Kafka. All three send what was made in advance; a fourth also makes the envelopes, from
columns, as an ingest server does. Same events, same broker, all replicas acknowledge; megabytes are
those of the events as JSON. The broker is warmed up before any of them: its code is compiled while
it runs, and each would be measured by how far it is. They take turns, and the median of `ROUNDS`
counts. Exits with 1 when an event is missing in Kafka or a gate is missed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import pyarrow as pa
import typer
import uvloop
from confluent_kafka import KafkaError, Message, Producer

from benchmarks.errors import BenchmarkError
from benchmarks.events import Event, Recount, Traffic, generate
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.in_log import logged_events
from benchmarks.installation import PARTITIONS, Installation, Servers, servers
from benchmarks.producing import batch_of, envelopes, json_of, warm_broker
from benchmarks.progress import new_bars, reporter, stepper
from benchmarks.running import create_topic
from core.clock import monotonic_seconds
from core.errors import TollbookError
from infra.local.kafka.jars import jar_dir
from infra.local.kafka.part import find_java
from ingest.kafka_log import KafkaLog
from ingest.publisher import Publisher
from ingest.settings import IngestSettings

EVENTS: Final = 1_000_000
BATCH: Final = 1_000
OURS: Final = "envelopes"
MADE: Final = "envelopes made from columns"
EACH: Final = "one produce() an event"
TOOL: Final = "Kafka's producer test"
_FULL_FACTOR: Final = 4
_WARMING_SHARE: Final = 25
"""Of the events; as many envelopes warm the broker up."""

_ENVELOPE_BYTES: Final = 85_000
_UNDER_WAY: Final = 64
"""Requests of `BATCH` events at a time."""

_WARM_SHARE: Final = 4
_FLUSH_SECONDS: Final = 60
_TOOL_SECONDS: Final = 300
_MILLION: Final = 1_000_000
_SHARES: Final = {OURS: 5, MADE: 2, EACH: 2, TOOL: 1}
"""Of the events, so many-th are sent in this way."""

ROUNDS: Final = 3
_TIMES: Final = 60
"""So often the same envelopes are sent: once is over in a thirtieth of a second."""

_SENT: Final = re.compile(r"(\d+) records sent, ([\d.]+) records/sec")

BOUNDS: Final = (
    Bound(f"{OURS}: x {EACH}", least=12),
    Bound(f"{OURS}: share of {TOOL}", least=0.5),
)


def main(
    events: Annotated[int, typer.Option(min=8_000, help="Events to send.")] = EVENTS,
    full: Annotated[bool, typer.Option("--full", help="Ten times as many.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail below the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "produce.json",
) -> None:
    """Measure the way into Kafka beside its baselines, and count what is there.

    Example: python -m benchmarks.bench_produce --events 80000 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    events *= _FULL_FACTOR if full else 1
    ways: dict[str, Callable[[Installation, str, Sequence[Event]], float]] = {
        TOOL: _with_tool,
        EACH: _one_by_one,
        MADE: _from_columns,
        OURS: _as_envelopes,
    }
    try:
        with new_bars() as bars, servers(os.environ, reporter(bars)) as running:
            _warm(running, events)
            runs = []
            for name, way in [*ways.items()] * ROUNDS:
                step = stepper(bars)
                with running.installation() as where, step(name, 0):
                    runs.append(_run(where, name, way, events // _SHARES[name]))
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    differences = [f"{run['run']}: {line}" for run in runs for line in run["differences"]]
    if conclude(
        Outcome("produce", runs, _figures(runs), BOUNDS, differences),
        results, gates=gates, as_json=as_json,
    ):  # fmt: skip
        raise typer.Exit(1)


def _figures(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    rates = {
        name: median(run["megabytes_per_second"] for run in runs if run["run"] == name)
        for name in dict.fromkeys(run["run"] for run in runs)
    }
    return {
        **{f"{name}: MB/s": rate for name, rate in rates.items()},
        **{f"{name}: x {EACH}": rates[name] / rates[EACH] for name in (OURS, MADE)},
        **{f"{name}: share of {TOOL}": rates[name] / rates[TOOL] for name in (OURS, MADE)},
    }


def _warm(running: Servers, events: int) -> None:
    """Records of an event and of a thousand, until the broker has compiled what takes them."""
    with running.installation() as where:
        topic = where.endpoints.usage_events_topic()
        warm_broker(where.endpoints, topic)
        warm_broker(where.endpoints, topic, events // _WARMING_SHARE, _ENVELOPE_BYTES)


def _run(
    where: Installation,
    name: str,
    way: Callable[[Installation, str, Sequence[Event]], float],
    many: int,
) -> dict[str, Any]:
    many = many // BATCH * BATCH
    traffic = Traffic(many, str(where.tenant_id), PARTITIONS, conflict_per_mille=0)
    events = list(generate(traffic, Recount()))
    size_bytes = sum(len(json_of(event)) for event in events)
    topic, sent = where.endpoints.usage_events_topic(), many
    if name == OURS:
        sent = many * (_TIMES + 1)
    elif name != MADE:
        topic = f"{where.endpoints.topic_prefix}plain"
        create_topic(where, topic, PARTITIONS)
    gc.collect()
    gc.freeze()  # as a server does once it has started: a million events are not looked at again
    rate = way(where, topic, events)
    gc.unfreeze()
    logged = logged_events(where.endpoints, topic)
    return {
        "run": name,
        "events": many,
        "event_bytes": round(size_bytes / many, 1),
        "events_per_second": round(rate),
        "megabytes_per_second": round(size_bytes / many * rate / _MILLION, 2),
        "differences": [] if logged == sent else [f"{logged} of {sent} events are in Kafka"],
    }


def _as_envelopes(where: Installation, topic: str, events: Sequence[Event]) -> float:
    """Envelopes of `BATCH` events that lie ready; events a second."""
    del topic  # the log knows its own
    traffic = Traffic(len(events), str(where.tenant_id), PARTITIONS)
    return uvloop.run(_append(where, list(envelopes(traffic, events, BATCH))))


async def _append(where: Installation, made: Sequence[tuple[int, bytes, int]]) -> float:
    log = KafkaLog(IngestSettings(where.endpoints, where.folder / "unused"))
    try:
        await log.first_probe()
        topic = log.topic
        assert topic is not None, "the first probe found it"

        async def append(left: Iterator[tuple[int, bytes, int]]) -> None:
            for partition, value, many in left:
                refused = await log.append(topic, partition, value, many)
                if refused is not None:
                    raise BenchmarkError(f"an envelope was not acknowledged: {refused}")

        async def send(times: int) -> float:
            began, left = monotonic_seconds(), chain.from_iterable(repeat(made, times))
            await asyncio.gather(*(append(left) for _ in range(_UNDER_WAY * PARTITIONS)))
            return times * sum(many for _, _, many in made) / (monotonic_seconds() - began)

        await send(1)
        return await send(_TIMES)
    finally:
        await log.close()


def _from_columns(where: Installation, topic: str, events: Sequence[Event]) -> float:
    """As an ingest process does once requests of 1,000 events are columns; events a second."""
    del topic  # the publisher knows where the log is
    traffic = Traffic(len(events), str(where.tenant_id), PARTITIONS)
    batches = [
        batch_of(traffic, events[first : first + BATCH]) for first in range(0, len(events), BATCH)
    ]
    return uvloop.run(_publish(where, batches))


async def _publish(where: Installation, batches: Sequence[pa.RecordBatch]) -> float:
    settings = IngestSettings(where.endpoints, where.folder / "unused")
    log = KafkaLog(settings)
    try:
        await log.first_probe()
        publisher = Publisher(log, settings)

        async def publish(left: Iterator[pa.RecordBatch]) -> None:
            for batch in left:
                await publisher.publish(batch, batch.nbytes)

        async def send(some: Sequence[pa.RecordBatch]) -> float:
            began, left = monotonic_seconds(), iter(some)
            await asyncio.gather(*(publish(left) for _ in range(_UNDER_WAY)))
            return sum(batch.num_rows for batch in some) / (monotonic_seconds() - began)

        first = len(batches) // _WARM_SHARE
        await send(batches[:first])
        return await send(batches[first:])
    finally:
        await log.close()


def _one_by_one(where: Installation, topic: str, events: Sequence[Event]) -> float:
    """As a service does that knows no envelopes: tuned, idempotent, lingering; events a second."""
    producer = Producer(
        {
            "bootstrap.servers": where.endpoints.kafka, "acks": "all", "enable.idempotence": True,
            "linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000,
        }
    )  # fmt: skip
    failures: list[str] = []
    records = [(event.key, json_of(event)) for event in events]

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(str(error))

    def send(some: Sequence[tuple[bytes, bytes]]) -> float:
        began = monotonic_seconds()
        for key, value in some:
            producer.produce(topic, key=key, value=value, on_delivery=delivered)
            producer.poll(0)
        left = producer.flush(_FLUSH_SECONDS)
        if left or failures:
            raise BenchmarkError(f"{left} records were not acknowledged; {failures[:1]}")
        return len(some) / (monotonic_seconds() - began)

    first = len(records) // _WARM_SHARE
    send(records[:first])
    return send(records[first:])


def _with_tool(where: Installation, topic: str, events: Sequence[Event]) -> float:
    """Kafka's own measure, events a second as it prints them: its start does not count."""
    java = find_java()
    assert java is not None, "the stack of this run has found it"
    payload = where.folder / "events.ndjson"
    payload.write_bytes(b"".join(json_of(event) + b"\n" for event in events))
    command = [java, "-Xmx512m", "-cp", f"{jar_dir(os.environ)}/*"]
    command += ["org.apache.kafka.tools.ProducerPerformance", "--topic", topic]
    command += ["--num-records", str(len(events)), "--payload-file", str(payload)]
    command += ["--throughput", "-1", "--producer-props"]
    command += [f"bootstrap.servers={where.endpoints.kafka}", "acks=all", "linger.ms=5"]
    command += ["compression.type=lz4", "batch.size=262144"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_TOOL_SECONDS
    )
    found = _SENT.findall(done.stdout)
    if done.returncode or not found:
        raise BenchmarkError(f"{TOOL} ended: {(done.stdout + done.stderr).strip()[-500:]}")
    return float(found[-1][1])


if __name__ == "__main__":
    typer.run(main)
