from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import KafkaError

from core.cloudevents.columns import EventColumns
from core.endpoints import Endpoints
from core.errors import DependencyDownError
from ingest.kafka_log import Delivery, KafkaLog
from ingest.log_topic import LogTopic
from ingest.passage import Origin, Passage
from ingest.publisher import Publisher
from ingest.settings import IngestSettings

Work = Callable[[Publisher, KafkaLog], Awaitable[None]]
_NOWHERE = Endpoints(kafka="127.0.0.1:9", clickhouse="", postgres="")


def _batch(first: int, count: int = 1) -> pa.RecordBatch:
    return EventColumns(
        tenant_id=["t"] * count,
        key=[(first + i).to_bytes(16, "big") for i in range(count)],
        content_hash=[0] * count,
        id=[str(first + i) for i in range(count)],
        source=["s"] * count,
        type=["t"] * count,
        subject=["s"] * count,
        time=[0] * count,
        received_at=[0] * count,
        data=[b"{}"] * count,
    ).as_batch()


def _run(endpoints: Endpoints, work: Work, **settings: Any) -> None:
    """Run `work` with a publisher on the broker; the log is closed whatever happens."""

    async def main() -> None:
        made = replace(IngestSettings(endpoints, Path("unused")), **settings)
        log = KafkaLog(made)
        try:
            await log.first_probe()
            await work(Publisher(log, made), log)
        finally:
            await log.close()

    asyncio.run(main())


def test_after_a_fatal_error_a_new_producer_goes_on(installation: Endpoints) -> None:
    async def work(publisher: Publisher, log: KafkaLog) -> None:
        await publisher.publish(_batch(0, 100), 1)
        broken = log._producer
        log._note_error(KafkaError(KafkaError._FATAL, "told so by a test", fatal=True))
        for _ in range(100):
            await asyncio.sleep(0.05)
            if log._producer is not broken:
                break
        assert log._producer is not broken
        assert len(broken) == 0
        await publisher.publish(_batch(100, 100), 1)

    _run(installation, work)


def test_a_closing_log_waits_for_a_producer_that_was_replaced(installation: Endpoints) -> None:
    waiting: list[asyncio.Future[None]] = []

    async def work(publisher: Publisher, log: KafkaLog) -> None:
        log._producer.flush(10)
        waiting.append(asyncio.ensure_future(publisher.publish(_batch(0, 100), 1)))
        await asyncio.sleep(0)
        publisher.flush()
        log._replace_producer()
        await log.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiting[0].done()
        waiting[0].exception()

    _run(installation, work)


def test_more_bytes_than_may_wait_are_refused_until_they_have_left(
    installation: Endpoints,
) -> None:
    async def work(publisher: Publisher, log: KafkaLog) -> None:
        waiting = asyncio.ensure_future(publisher.publish(_batch(0), 60))
        await asyncio.sleep(0)
        with pytest.raises(DependencyDownError, match="waiting for Kafka") as refused:
            await publisher.publish(_batch(1), 60)
        assert refused.value.retry_after_seconds == 1
        await publisher.publish(_batch(2), 40)
        await waiting
        await publisher.publish(_batch(3), 60)

    _run(installation, work, held_bytes_max=100, gather_seconds=0.2)


def test_a_request_that_gives_up_takes_no_other_with_it(installation: Endpoints) -> None:
    async def work(publisher: Publisher, log: KafkaLog) -> None:
        leaving = asyncio.ensure_future(publisher.publish(_batch(0, 50), 1))
        staying = asyncio.ensure_future(publisher.publish(_batch(50, 50), 1))
        await asyncio.sleep(0)
        publisher.flush()
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        with pytest.raises(asyncio.CancelledError):
            await leaving

    _run(installation, work)


def test_what_follows_an_acknowledgement_may_fail(
    installation: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: object) -> None:
        raise ValueError("a bug of ours")

    async def work(publisher: Publisher, log: KafkaLog) -> None:
        problems: list[BaseException] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: problems.append(context["exception"])
        )
        with monkeypatch.context() as patch:
            patch.setattr(Passage, "ended", ended)
            await asyncio.wait_for(publisher.publish(_batch(0), 1), timeout=10)
        assert [str(each) for each in problems] == ["a bug of ours"]
        await asyncio.wait_for(publisher.publish(_batch(1), 1), timeout=10)

    _run(installation, work)


def test_the_first_events_import_nothing() -> None:
    script = """
import sys
from core.cloudevents.columnar.admitting import warm_up
from core.envelope import encode_envelope
from ingest.publisher import Publisher
from ingest.settings import IngestSettings
from tests.ingest.test_publisher import _batch
class Cutting(Publisher):
    def __init__(self): self._settings = IngestSettings(None, None)
warm_up()
before = set(sys.modules)
pieces, _ = Cutting()._cut(_batch(0, 100), 4)
assert len([encode_envelope(piece) for _, piece in pieces]) == 4
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_full_gathering_leaves_before_its_time(installation: Endpoints) -> None:
    async def work(publisher: Publisher, log: KafkaLog) -> None:
        requests = [publisher.publish(_batch(n * 10, 10), 1) for n in range(10)]
        await asyncio.wait_for(asyncio.gather(*requests), timeout=10)

    _run(installation, work, gather_events=100, gather_seconds=60.0)


def test_events_gather_on_while_two_gatherings_are_under_way(installation: Endpoints) -> None:
    async def work(publisher: Publisher, log: KafkaLog) -> None:
        sent, release = _hold_deliveries(log)
        requests = []
        for n in range(2):
            requests.append(asyncio.ensure_future(publisher.publish(_batch(n), 1)))
            await asyncio.sleep(0.05)
        assert sum(sent) == 2
        for n in range(2, 6):
            requests.append(asyncio.ensure_future(publisher.publish(_batch(n), 1)))
            await asyncio.sleep(0.05)
        assert sum(sent) == 2, "Kafka is busy: the next ones wait for each other"
        release(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(sent) == 6, "the first gathering is through: they leave at once, together"
        release(len(sent) - 1)
        await asyncio.wait_for(asyncio.gather(*requests), timeout=10)

    _run(installation, work, gather_seconds=0.001, gather_seconds_max=60.0)


def test_events_leave_after_the_longest_time_to_gather(installation: Endpoints) -> None:
    async def work(publisher: Publisher, log: KafkaLog) -> None:
        sent, release = _hold_deliveries(log)
        requests = []
        for n in range(3):
            requests.append(asyncio.ensure_future(publisher.publish(_batch(n), 1)))
            await asyncio.sleep(0.05)
        assert sum(sent) == 2
        await asyncio.sleep(0.3)
        assert sum(sent) == 3
        release(len(sent))
        await asyncio.wait_for(asyncio.gather(*requests), timeout=10)

    _run(installation, work, gather_seconds=0.001, gather_seconds_max=0.2)


def _hold_deliveries(log: KafkaLog) -> tuple[list[int], Callable[[int], None]]:
    """Let Kafka acknowledge on demand: events of each envelope sent, and what frees the first n."""
    sent: list[int] = []
    held: list[Delivery] = []

    def append(
        topic: LogTopic, partition: int, value: bytes, events: int, origins: Sequence[Origin] = ()
    ) -> Delivery:
        sent.append(events)
        held.append(asyncio.get_running_loop().create_future())
        return held[-1]

    def release(many: int) -> None:
        for delivery in held[:many]:
            delivery.set_result(None)
        del held[:many]

    log.append = append  # type: ignore[method-assign]  # in Kafka's place
    return sent, release


def test_a_missing_topic_is_named_with_the_command_that_makes_it(installation: Endpoints) -> None:
    async def work(publisher: Publisher, log: KafkaLog) -> None:
        assert log.fault is not None
        assert "tollbook migrate" in log.fault
        with pytest.raises(DependencyDownError, match=r"none\.usage\.events does not exist"):
            await publisher.publish(_batch(0), 1)

    _run(replace(installation, topic_prefix="none."), work)


def test_without_kafka_publishing_is_refused_at_once() -> None:
    async def work(publisher: Publisher, log: KafkaLog) -> None:
        assert publisher.fault is not None
        with pytest.raises(DependencyDownError, match="Kafka does not answer"):
            await publisher.publish(_batch(0), 1)
        await publisher.publish(EventColumns().as_batch(), 0)

    _run(_NOWHERE, work, delivery_seconds=1.0, probe_seconds=0.2)
