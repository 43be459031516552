"""The worker process: Faust schedules records (assignment, rebalance, commit) and nothing else.

Its own offsets are a hint to the group; where to read is decided by the ledger, at every
assignment.
Whatever fails ends the process; whoever starts it again starts at the ledger.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, cast

import faust
from clickhouse_connect.driver.client import Client
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from catalog.metering.aggregate import CompiledMeters, compile_meters
from catalog.snapshot import SnapshotSource
from core.envelope import ENVELOPE_BYTES_MAX
from core.errors import ConflictError
from db.clickhouse import connect_clickhouse
from streams.generation import Generation, check_log, kafka_admin, load_generation
from streams.records import Record
from streams.runner import Delivery, LaneRunner, start_offsets
from streams.settings import StreamSettings
from streams.sink import Sink, until_done

_LOG = logging.getLogger(__name__)
_EXIT_FAILED: Final = 70
_HEARTBEATS_PER_SESSION: Final = 3
_COMMIT_SECONDS: Final = 1.0
_BUFFERED_RECORDS: Final = 64


class StreamApp(faust.App):
    """Faust's app, and the worker that it feeds."""

    tollbook: StreamWorker


class LedgerConsumer(driver.Consumer):
    """Faust's consumer, reading from where the ledger says instead of from its own offsets."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every assigned partition of the log to its start; Faust takes these as committed."""
        worker = cast("StreamApp", self.app).tollbook
        tps = [tp for tp in self.assignment() if tp.topic == worker.generation.topic]
        if not tps:
            return {}
        first = {tp.partition: at for tp, at in (await self.earliest_offsets(*tps)).items()}
        loop = asyncio.get_running_loop()
        starts = await loop.run_in_executor(None, worker.starts, first)
        found = {tp: starts[tp.partition] for tp in tps}
        await self.seek_wait(found)
        return found


class LedgerTransport(driver.Transport):
    """The transport that makes such consumers."""

    Consumer = LedgerConsumer


class Catalog:
    """The meters in use, compiled; refreshed in the background, kept while Postgres is down."""

    def __init__(self, settings: StreamSettings) -> None:
        path = settings.data_dir / "catalog_snapshot.json"
        self._source = SnapshotSource(settings.endpoints.postgres, path)
        snapshot = self._source.load()
        self._meters = compile_meters(snapshot.meters, snapshot.version)

    def meters(self) -> CompiledMeters:
        """The newest meters known."""
        return self._meters

    def refresh(self) -> None:
        """Look for a newer catalog version."""
        snapshot = self._source.refresh()
        if snapshot.version > self._meters.version:
            self._meters = compile_meters(snapshot.meters, snapshot.version)
            _LOG.info("catalog version %d", snapshot.version)


class StreamWorker:
    """All lanes of this process, by partition."""

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        self.generation = _generation(settings)
        self.catalog = Catalog(settings)
        admin = kafka_admin(settings.endpoints)
        until_done(lambda: check_log(admin, self.generation), threading.Event())
        self._sink = Sink(settings.endpoints, self.generation)
        self._pool = ThreadPoolExecutor(settings.lane_threads, thread_name_prefix="lane")
        self._lanes: dict[int, tuple[LaneRunner, int]] = {}  # and the offset each expects next
        self._starts: dict[int, int] = {}  # where each assigned partition was sought to
        self._stopping = threading.Event()

    def starts(self, first_offsets: dict[int, int]) -> dict[int, int]:
        """Where to start each partition; waits for ClickHouse."""
        found = until_done(
            lambda: start_offsets(self.settings, self.generation, first_offsets), self._stopping
        )
        self._starts.update(found)
        return found

    def drop_lanes(self) -> None:
        """Forget every lane: after a rebalance each partition is read again from its start."""
        for lane, _ in self._lanes.values():
            lane.stop()
        self._lanes.clear()
        self._starts.clear()

    def stop(self) -> None:
        """Give everything up that waits for a server."""
        self._stopping.set()
        self.drop_lanes()

    async def deliver(self, event: Any) -> None:
        """Hand an event's record to its lane; until acknowledged, the broker sends it again."""
        message = event.message
        partition, offset = message.partition, message.offset
        lane, expected = self._lanes.get(partition, (None, offset))
        if lane is None or offset != expected:
            if offset != self._starts.get(partition):
                if (
                    lane is None
                ):  # of the assignment before: what counts is sent again from the start
                    return
                raise ConflictError(f"partition {partition}: offset {offset} after {expected - 1}")
            if lane is not None:  # sought once more
                lane.stop()
            lane = LaneRunner(
                self.settings, self._sink, self.generation, partition, self._pool,
                self.catalog.meters, self.fail,
            )  # fmt: skip
        self._lanes[partition] = (lane, offset + 1)
        record = Record(offset, round(message.timestamp * 1000), message.value)
        message.value = None  # held until the chunk is durable, so it must not hold its payload
        acknowledge = partial(message.ack, event.app.consumer)
        await lane.put(Delivery(record, acknowledge))

    def fail(self, error: BaseException) -> None:
        """End the process at once: a half-working worker is worse than none."""
        _LOG.critical("the worker ends: %s", error, exc_info=error)
        logging.shutdown()
        sys.stderr.flush()
        os._exit(_EXIT_FAILED)


def _generation(settings: StreamSettings) -> Generation:
    client: Client = until_done(
        lambda: connect_clickhouse(settings.endpoints.clickhouse), threading.Event()
    )
    try:
        generation = load_generation(client)
    finally:
        client.close()
    if generation is None:
        raise ConflictError("the log was not created yet: run `tollbook migrate`")
    if generation.topic != settings.endpoints.usage_events_topic():
        raise ConflictError(
            f"these ClickHouse tables belong to the log {generation.topic}, not to"
            f" {settings.endpoints.usage_events_topic()}: check TOLLBOOK_TOPIC_PREFIX"
        )
    return generation


def build_app(worker: StreamWorker) -> StreamApp:
    """The Faust app of a worker: one agent over the log, one timer for the catalog."""
    settings = worker.settings
    app = StreamApp(
        settings.group or settings.endpoints.stream_group(),
        broker=[f"kafka://{address}" for address in settings.endpoints.kafka.split(",")],
        store="memory://",
        datadir=str(settings.data_dir),
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=_BUFFERED_RECORDS,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / _HEARTBEATS_PER_SESSION,
        broker_commit_interval=_COMMIT_SECONDS,
        consumer_max_fetch_size=ENVELOPE_BYTES_MAX,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.worker_id,
        key_serializer="raw",
        value_serializer="raw",
        worker_redirect_stdouts=False,
    )
    app.tollbook = worker
    app.transport = LedgerTransport(app.conf.broker_consumer, app, loop=app.loop)
    topic = app.topic(worker.generation.topic, value_type=bytes, internal=False)

    async def usage_events(stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                await worker.deliver(event)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - panics of Polars are no `Exception`
                worker.fail(error)

    app.agent(topic, name="usage_events", concurrency=1)(usage_events)

    async def assigned(*arguments: Any, **_: Any) -> None:
        partitions: set[TP] = arguments[-1]
        worker.drop_lanes()
        mine = sorted(tp.partition for tp in partitions if tp.topic == worker.generation.topic)
        _LOG.info("assigned partitions %s", mine)

    async def revoked(*_: Any, **__: Any) -> None:
        worker.drop_lanes()

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)

    async def stopping(*_: Any, **__: Any) -> None:
        worker.stop()

    app.on_before_shutdown.connect(stopping, weak=False)

    async def refresh_catalog() -> None:
        await asyncio.get_running_loop().run_in_executor(None, worker.catalog.refresh)

    app.timer(settings.catalog_refresh_seconds)(refresh_catalog)
    return app


def run(settings: StreamSettings) -> None:
    """Run a worker until SIGTERM; does not return.

    Raises `ConflictError` before it starts when the log was not created or is another one.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    app = build_app(StreamWorker(settings))
    faust.Worker(app, loglevel="INFO", redirect_stdouts=False).execute_from_commandline()
