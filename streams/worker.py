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
from typing import Any, Final, cast

import faust
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from faust.tables.manager import TableManager
from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from catalog.metering.aggregate import CompiledMeters, compile_meters
from catalog.snapshot import SnapshotSource
from core.envelope import ENVELOPE_BYTES_MAX
from core.errors import ConflictError, DependencyDownError, TollbookError
from core.faults import reach
from db.clickhouse import connect_clickhouse
from streams.carrier import Carrier
from streams.generation import Generation, kafka_admin
from streams.health import WorkerHealth
from streams.jobs.loop import JobLoop
from streams.reading import Reading
from streams.settings import StreamSettings
from streams.sink import Stopped, until_done
from streams.succession import Succession, load_succession
from streams.warming import warm_up

_LOG = logging.getLogger(__name__)
_EXIT_FAILED: Final = 70
_HEARTBEATS_PER_SESSION: Final = 3
_COMMIT_SECONDS: Final = 1.0
_MEMBERSHIP_SECONDS: Final = 1.0
_BUFFERED_RECORDS: Final = 64


class StreamApp(faust.App):
    """Faust's app, and the worker that it feeds."""

    tollbook: StreamWorker


class LedgerConsumer(driver.Consumer):
    """Faust's consumer, reading from where the ledger says instead of from its own offsets."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every assigned partition of the log to its start; Faust takes these as committed."""
        worker = cast("StreamApp", self.app).tollbook
        reading = worker.reading
        tps = [tp for tp in self.assignment() if tp.topic == reading.generation.topic]
        if not tps:
            return {}
        first = {tp.partition: at for tp, at in (await self.earliest_offsets(*tps)).items()}
        ends = {tp.partition: at for tp, at in (await self.highwaters(*tps)).items()}
        loop = asyncio.get_running_loop()
        reach("on_assignment_before_start")
        starts = await loop.run_in_executor(None, reading.starts, first, ends)
        found = {tp: starts[tp.partition] for tp in tps}
        await self.seek_wait(found)
        reach("on_assignment_after_start")
        return found

    def check_membership(self) -> None:
        """Raise what ended this worker's part in its group; Faust would wait for records for ever.

        Raises errors of aiokafka.
        """
        consumer = self._thread._consumer  # noqa: SLF001 - Faust asks for records past the check
        coordinator = consumer and consumer._coordinator  # noqa: SLF001 - as above
        if coordinator is not None:
            coordinator.check_errors()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        reach("after_ack_before_commit")
        done: bool = await super()._commit(offsets)
        reach("after_commit")
        return done


class PromptConductor(Conductor):
    """Faust's conductor, following a change of topics at once."""

    _resubscribe_sleep_lock_seconds = 0.0

    def follow(self, topic: str) -> None:
        """Subscribe to this topic instead of the one before."""
        channels = list(self._topics)
        for channel in channels:
            channel.topics = [topic]
        self._topics = set(channels)  # a channel hashes by its topics
        self._flag_changes()


class NoTables(TableManager):
    """Faust's tables, of which there are none: starting them waits for nothing."""

    async def on_start(self) -> None:
        """Start without the second in which tables could register."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()


class LedgerTransport(driver.Transport):
    """The transport that makes such consumers."""

    Consumer = LedgerConsumer
    Conductor = PromptConductor


class Catalog:
    """The meters in use, compiled; refreshed in the background, kept while Postgres is down."""

    def __init__(self, settings: StreamSettings) -> None:
        path = settings.data_dir / "catalog_snapshot.json"
        self._source = SnapshotSource(settings.endpoints.postgres, path)
        self.snapshot = self._source.load()
        self._meters = compile_meters(self.snapshot.meters, self.snapshot.version)

    def meters(self) -> CompiledMeters:
        """The newest meters known."""
        return self._meters

    def refresh(self) -> None:
        """Look for a newer catalog version."""
        snapshot = self._source.refresh()
        if snapshot.version > self._meters.version:
            self._meters = compile_meters(snapshot.meters, snapshot.version)
            self.snapshot = snapshot
            _LOG.info("catalog version %d", snapshot.version)


class StreamWorker:
    """The generation that this process reads, and what goes on beside it."""

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        self.stopping = threading.Event()
        self._client: Client = until_done(
            lambda: connect_clickhouse(settings.endpoints.clickhouse), self.stopping
        )
        self.health = WorkerHealth(self._client)
        self.succession = until_done(self._load_succession, self.stopping)
        self.catalog = Catalog(settings)
        self._admin = kafka_admin(settings.endpoints)
        self._pool = ThreadPoolExecutor(settings.lane_threads, thread_name_prefix="lane")
        self.reading = self._read(self.succession.reading)
        self._carrier: Carrier | None = None
        self._jobs_stop = threading.Event()

    @property
    def generation(self) -> Generation:
        """The generation that is read now."""
        return self.reading.generation

    def begin(self) -> None:
        """Start what goes on beside the lanes: jobs, and carrying over."""
        self._jobs_stop.set()
        self._jobs_stop = threading.Event()
        JobLoop(
            self.settings, self.generation, self.catalog, self.reading.partitions,
            self._jobs_stop, self.fail,
        ).start()  # fmt: skip
        self._carry()

    def _carry(self) -> None:
        if self._carrier is not None:
            self._carrier.stop()
            self._carrier = None
        if self.succession.retired and self.settings.group is None:
            self._carrier = Carrier(
                self.settings.endpoints, self.settings.worker_id, self.succession, self.fail
            )
            self._carrier.start()

    def look(self) -> Reading | None:
        """See whether the generation that is read has ended everywhere; then the next one.

        Raises errors of ClickHouse that pass: it is asked again.
        """
        found = self._load_succession()
        before, self.succession = self.succession, found
        if found.reading.number != self.generation.number:
            return self._read(found.reading)
        if found.newest != before.newest:
            self._carry()
        return None

    def switch(self, reading: Reading) -> None:
        """Read another generation from now on."""
        _LOG.info("reads generation %d from now on", reading.generation.number)
        self.reading.drop_lanes()
        self.reading = reading
        self.begin()

    def stop(self) -> None:
        """Give everything up that waits for a server."""
        self.stopping.set()
        self._jobs_stop.set()
        if self._carrier is not None:
            self._carrier.stop()
        self.reading.drop_lanes()

    def fail(self, error: BaseException) -> None:
        """End the process at once: a half-working worker is worse than none."""
        _LOG.critical("the worker ends: %s", error, exc_info=error)
        logging.shutdown()
        sys.stderr.flush()
        os._exit(_EXIT_FAILED)

    def _read(self, generation: Generation) -> Reading:
        return Reading(
            self.settings, generation, self._admin, self._pool, self.catalog.meters, self.fail,
            self.stopping,
        )  # fmt: skip

    def _load_succession(self) -> Succession:
        found = load_succession(self._client)
        expected = self.settings.endpoints.usage_events_topic(found.reading.number)
        if found.reading.topic != expected:
            raise ConflictError(
                f"these ClickHouse tables belong to the log {found.reading.topic}, not to"
                f" {expected}: check TOLLBOOK_TOPIC_PREFIX"
            )
        return found


def build_app(worker: StreamWorker) -> StreamApp:
    """The Faust app of a worker: one agent over the log, one timer for the catalog."""
    settings = worker.settings
    app = StreamApp(
        settings.group or settings.endpoints.stream_group(),
        broker=[f"kafka://{address}" for address in settings.endpoints.kafka.split(",")],
        store="memory://",
        TableManager=NoTables,
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
        # Rejoining under the same name, it is given what it had, even of another topic.
        consumer_group_instance_id=f"{settings.worker_id}-{worker.generation.number}",
        key_serializer="raw",
        value_serializer="raw",
        worker_redirect_stdouts=False,
    )
    app.tollbook = worker
    app.transport = LedgerTransport(app.conf.broker_consumer, app, loop=app.loop)
    _add_agent(app, worker)
    _add_signals(app, worker)
    _add_timers(app, worker)
    return app


def _add_agent(app: StreamApp, worker: StreamWorker) -> None:
    topic = app.topic(worker.generation.topic, value_type=bytes, internal=False)

    async def usage_events(stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                if event.message.topic == worker.generation.topic:
                    await worker.reading.deliver(event)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - panics of Polars are no `Exception`
                worker.fail(error)

    app.agent(topic, name="usage_events", concurrency=1)(usage_events)


def _add_signals(app: StreamApp, worker: StreamWorker) -> None:
    async def assigned(*arguments: Any, **_: Any) -> None:
        partitions: set[TP] = arguments[-1]
        reading = worker.reading
        reading.drop_lanes()
        mine = sorted(tp.partition for tp in partitions if tp.topic == reading.generation.topic)
        reading.keep(set(mine))
        worker.health.assigned = True
        _LOG.info("assigned partitions %s", mine)

    async def revoked(*_: Any, **__: Any) -> None:
        worker.health.assigned = False
        worker.reading.drop_lanes()

    async def stopping(*_: Any, **__: Any) -> None:
        worker.stop()

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)
    app.on_before_shutdown.connect(stopping, weak=False)


def _add_timers(app: StreamApp, worker: StreamWorker) -> None:
    async def begin() -> None:
        worker.health.loop = asyncio.get_running_loop()
        worker.begin()

    async def refresh_catalog() -> None:
        await asyncio.get_running_loop().run_in_executor(None, worker.catalog.refresh)

    async def follow_generations() -> None:
        try:
            found = await asyncio.get_running_loop().run_in_executor(None, worker.look)
        except Stopped:
            return
        except (DatabaseError, DependencyDownError, OSError) as error:
            _LOG.warning("the generations are not known: %s", str(error).split("\n")[0])
            return
        except TollbookError as error:
            worker.fail(error)
            return
        if found is not None:
            worker.switch(found)
            cast("PromptConductor", app.topics).follow(found.generation.topic)

    async def check_membership() -> None:
        try:
            cast("LedgerConsumer", app.consumer).check_membership()
        except Exception as error:  # noqa: BLE001 - whatever ended it, only a new process joins
            worker.fail(error)

    app.task(begin)
    app.timer(_MEMBERSHIP_SECONDS)(check_membership)
    app.timer(worker.settings.catalog_refresh_seconds)(refresh_catalog)
    app.timer(worker.settings.generation_refresh_seconds)(follow_generations)


def run(settings: StreamSettings) -> None:
    """Run a worker until SIGTERM; does not return.

    Raises `ConflictError` before it starts when the log was not created or is another one.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    worker = StreamWorker(settings)
    if settings.metrics_port is not None:
        served = worker.health.serve(settings.metrics_host, settings.metrics_port)
        _LOG.info("metrics and health at %s", served.url)
    app = build_app(worker)
    warm_up()  # after what may refuse to start, before the group expects heartbeats
    # Logs are set up by the entry point.
    faust.Worker(app, redirect_stdouts=False, override_logging=False).execute_from_commandline()
