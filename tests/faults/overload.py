"""`python -m tests.faults.overload`: more than a server can take, for as long as one likes.

It is found out how much an ingest process takes; then three times as much is sent, with hundreds of
requests under way, while Kafka stands still for a while; after that one request again. Prints one
JSON object; ends with 1 when an answer was not true, memory grew, or the server did not recover.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil
import pyarrow.compute as pc
from confluent_kafka import Consumer, TopicPartition

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.envelope import decode_envelope
from tests.ingest.load import Answers, Load, Template
from tests.ingest.service import Service
from tests.plugins.installations import install
from tests.plugins.stack import running_stack

EVENTS: Final = 500
DATA_BYTES: Final = 300
"""Of each event, so that all requests under way weigh far more than a server may hold."""

TIMES: Final = 3
UNDER_WAY_MAX: Final = 800
GROWTH_BYTES_MAX: Final = 400 * 1024 * 1024
"""Above what the process had at its saturation: bodies and events that may be held (64 MiB each),
what they are turned into on their way, and Kafka's own queue (128 MiB)."""

_SATURATION_SHARE: Final = 0.25
_SATURATION_CONNECTIONS: Final = 16
_SAMPLE_SECONDS: Final = 0.1
_RECOVERY_SECONDS_MAX: Final = 5.0
_MEGA: Final = 1024 * 1024


@dataclass(frozen=True)
class Report:
    """What happened, in requests unless the name says something else."""

    saturation_per_second: float
    offered: int
    accepted: int
    refused: int
    unsent: int
    rss_at_saturation_mb: int
    rss_first_half_mb: int
    rss_second_half_mb: int
    recovery_seconds: float
    faults: list[str]


def overload(service: Service, seconds: float, kafka_pid: int | None = None) -> Report:
    """Overload the first process of a service, which runs; `kafka_pid`: a broker to freeze."""
    return asyncio.run(_overload(service, seconds, kafka_pid))


async def _overload(service: Service, seconds: float, kafka_pid: int | None) -> Report:
    load, template = Load(service.url), Template(service.api_key, EVENTS, DATA_BYTES)
    process = _server(service)
    await load.closed(template, 4, 1.0)
    calm = await load.closed(template, _SATURATION_CONNECTIONS, seconds * _SATURATION_SHARE)
    saturation = calm.statuses[202] / (seconds * _SATURATION_SHARE)
    rss_before = process.memory_info().rss
    samples: list[int] = []
    watch = asyncio.create_task(_watch(process, samples))
    frost = asyncio.create_task(_freeze(kafka_pid, seconds))
    storm = await load.open(template, TIMES * saturation, UNDER_WAY_MAX, seconds)
    watch.cancel()
    await frost
    began = monotonic_seconds()
    after = Answers()
    while await load.send(template, after) != 202:
        if monotonic_seconds() - began > _RECOVERY_SECONDS_MAX:
            break
        await asyncio.sleep(0.05)
    recovery = monotonic_seconds() - began
    await load.close()
    half = len(samples) // 2
    first, second = max(samples[:half]), max(samples[half:])
    accepted = [*calm.accepted, *storm.accepted, *after.accepted]
    faults = [
        *_untrue(calm, storm, after),
        *_missing(service.endpoints, accepted),
        *_grown(rss_before, first, second),
    ]
    if recovery > _RECOVERY_SECONDS_MAX:
        faults.append(f"no 202 in {recovery:.1f} s after the storm")
    return Report(
        saturation_per_second=round(saturation, 1),
        offered=sum(storm.statuses.values()) + storm.unsent + storm.unanswered,
        accepted=storm.statuses[202],
        refused=storm.statuses[503],
        unsent=storm.unsent,
        rss_at_saturation_mb=rss_before // _MEGA,
        rss_first_half_mb=first // _MEGA,
        rss_second_half_mb=second // _MEGA,
        recovery_seconds=round(recovery, 3),
        faults=faults,
    )


def _server(service: Service) -> psutil.Process:
    running = service.processes[0]._running
    assert running is not None
    return psutil.Process(running.pid)


async def _freeze(kafka_pid: int | None, seconds: float) -> None:
    """Let the broker stand still for a while in the middle."""
    if kafka_pid is None:
        return
    await asyncio.sleep(seconds * 0.4)
    os.kill(kafka_pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(min(4.0, seconds * 0.2))  # less than a delivery may take
    finally:
        os.kill(kafka_pid, signal.SIGCONT)


async def _watch(process: psutil.Process, samples: list[int]) -> None:
    while True:
        samples.append(process.memory_info().rss)
        await asyncio.sleep(_SAMPLE_SECONDS)


def _untrue(*parts: Answers) -> Iterable[str]:
    for part in parts:
        odd = {status: many for status, many in part.statuses.items() if status not in {202, 503}}
        if odd:
            yield f"answers other than 202 and 503: {odd}"
        if part.unanswered:
            yield f"{part.unanswered} requests got no answer"
        if part.without_retry_after:
            yield f"{part.without_retry_after} refusals did not say when to come back"


def _grown(before: int, first: int, second: int) -> Iterable[str]:
    if max(first, second) > before + GROWTH_BYTES_MAX:
        grown = (max(first, second) - before) // _MEGA
        yield f"memory grew by {grown} MB over what it was at saturation"
    if second > first * 1.15 + 64 * _MEGA:
        yield f"memory goes on growing: {first // _MEGA} MB, then {second // _MEGA} MB"


def _missing(endpoints: Endpoints, accepted: list[int]) -> Iterable[str]:
    """Requests that were answered 202, and are not whole in the log."""
    logged = _logged(endpoints)
    lost = [number for number in accepted if logged.get(f"{number:08d}", 0) < EVENTS]
    if lost:
        yield f"{len(lost)} of {len(accepted)} accepted requests are not in the log: {lost[:5]}"


def _logged(endpoints: Endpoints) -> dict[str, int]:
    """How many events the log has of each request."""
    found: dict[str, int] = {}
    topic = endpoints.usage_events_topic()
    consumer = Consumer({"bootstrap.servers": endpoints.kafka, "group.id": "unused"})
    try:
        for partition in consumer.list_topics(topic, 10).topics[topic].partitions:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)
            consumer.assign([TopicPartition(topic, partition, 0)])
            for _ in range(end):
                message = consumer.poll(10)
                assert message is not None, f"partition {partition} ends early"
                value = message.value()
                assert isinstance(value, bytes)
                counts = pc.value_counts(decode_envelope(value).column("subject"))
                subjects = counts.field("values").to_pylist()
                for subject, many in zip(subjects, counts.field("counts").to_pylist(), strict=True):
                    found[str(subject)] = found.get(str(subject), 0) + int(many or 0)
    finally:
        consumer.close()
    return found


def main() -> None:
    """Overload a server of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    with running_stack() as stack, tempfile.TemporaryDirectory() as folder:
        service = Service(install(stack.endpoints()), Path(folder))
        service.start()
        try:
            report = overload(service, seconds, stack.pid("kafka"))
        finally:
            service.end()
    sys.stdout.write(json.dumps(asdict(report), indent=2) + "\n")
    sys.exit(bool(report.faults))


if __name__ == "__main__":
    main()
