"""A whole Tollbook for a scenario: a tenant, meters, ingest, stream workers, and a journal."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from catalog.meters import MeterDefinition, create_meter
from core.clock import SystemClock, monotonic_seconds
from core.endpoints import Endpoints
from core.ids import TenantId
from db.clickhouse import connect_clickhouse
from db.postgres import Database
from identity.api_keys import insert_api_key
from identity.tenants import ensure_tenant
from infra.local.child import Child
from tests.scenarios.traffic import PERIOD, Journal
from usage.reader import UsageReader
from usage.verify import VerifyReport, verify

_PARTITIONS = 4


class World:
    """Everything of one installation that a scenario starts, breaks and asks."""

    def __init__(self, endpoints: Endpoints, folder: Path) -> None:
        self.endpoints, self.folder = endpoints, folder
        self.processes: list[Child] = []
        self.tenant_id, self.api_key, self.meters = set_up(endpoints)

    def process(self, name: str, *arguments: str) -> Child:
        """Start `tollbook ARGUMENTS`."""
        made = Child(
            name,
            [*arguments, "--state-dir", str(self.folder / "state")],
            self.endpoints,
            self.folder,
            os.environ,
        )
        self.processes.append(made)
        made.start()
        return made

    def ingest(self, name: str = "ingest") -> str:
        """Start ingest on a free port; returns its URL."""
        process = self.process(name, "serve", "ingest", "--port", "0")
        return process.wait_for(r"listening on (http://\S+)")[1]

    def worker(self, name: str) -> Child:
        """Start a stream worker."""
        return self.process(name, "serve", "streams", "--worker-id", name)

    def end(self) -> None:
        """Kill whatever still runs."""
        for process in self.processes:
            process.end()

    def log_ends(self) -> dict[int, int]:
        """Offset after the last record of each partition of the log."""
        consumer = Consumer(
            {"bootstrap.servers": self.endpoints.kafka, "group.id": "watch", "log_level": 0}
        )
        try:
            topic = self.endpoints.usage_events_topic()
            return {
                partition: consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=10
                )[1]
                for partition in range(_PARTITIONS)
            }
        finally:
            consumer.close()

    def committed(self, group: str) -> int:
        """Offsets that a group has committed, summed: chunks that a worker of it completed."""
        consumer = Consumer(
            {"bootstrap.servers": self.endpoints.kafka, "group.id": group, "log_level": 0}
        )
        try:
            topic = self.endpoints.usage_events_topic()
            partitions = [TopicPartition(topic, number) for number in range(_PARTITIONS)]
            found = consumer.committed(partitions, timeout=10)
            return sum(max(0, partition.offset) for partition in found)
        finally:
            consumer.close()

    def wait_until_proved(self, tend: Callable[[], None], seconds: float = 120) -> None:
        """Wait until the ledger covers the whole log; `tend` restarts what died meanwhile."""
        ends = {f"1/{partition}": end for partition, end in self.log_ends().items() if end}
        deadline = monotonic_seconds() + seconds
        while True:
            tend()
            with contextmanager(_reader)(self.endpoints) as reader:
                covered = reader.cut().offsets
            if covered == ends:
                return
            assert monotonic_seconds() < deadline, f"{covered} of {ends}\n{self.logs()}"
            time.sleep(0.3)

    def logs(self) -> str:
        """The end of every process's output."""
        return "\n".join(
            f"--- {process.name}\n{process.read_log()[-2500:]}" for process in self.processes
        )

    def usage(self) -> dict[tuple[str, str], tuple[Decimal, int]]:
        """(meter slug, subject) -> quantity and number of unmeterable events."""
        slugs = {str(meter.id): meter.slug for meter in self.meters}
        with contextmanager(_reader)(self.endpoints) as reader:
            rows = reader.period_usage(self.tenant_id, self.meters, PERIOD, reader.cut()).to_dicts()
        return {
            (slugs[row["meter_id"]], row["subject"]): (row["quantity"], row["unmeterable_count"])
            for row in rows
        }

    def verify(self) -> VerifyReport:
        """The proof of everything stored."""
        return verify(self.endpoints.clickhouse, self.meters)

    def check(self, journal: Journal, note: object) -> None:
        """Everything posted is counted once, the ledger balances, nothing differs."""
        report = self.verify()
        assert report.differences == [], (note, report.differences[:3])
        for part in report.partitions:
            judged = sum(part[name] for name in ("accepted", "duplicates", "conflicts", "rejected"))
            assert part["events"] == judged, (note, part)
        totals = report.totals
        assert totals["accepted"] == len(journal.first), (note, totals)
        assert totals["rejected"] == 0, (note, totals)
        assert totals["events"] >= journal.acknowledged_copies, (note, totals)
        assert totals["conflicts"] >= journal.conflicts, (note, totals)
        assert self.usage() == journal.recount(), note

    def rows(self, statement: str) -> list[Any]:
        """Rows of a ClickHouse query."""
        client = connect_clickhouse(self.endpoints.clickhouse)
        try:
            return list(client.query(statement).result_rows)
        finally:
            client.close()


def _reader(endpoints: Endpoints) -> Iterator[UsageReader]:
    reader = UsageReader(endpoints.clickhouse)
    try:
        yield reader
    finally:
        reader.close()


def set_up(endpoints: Endpoints, slug: str = "acme") -> tuple[TenantId, str, list[MeterDefinition]]:
    """A tenant with an API key and two meters, `requests` and `tokens`."""
    clock, db = SystemClock(), Database(endpoints.postgres)
    try:
        with db.transaction() as conn:
            tenant, _ = ensure_tenant(conn, clock, slug, slug.title())
            key = insert_api_key(conn, clock, tenant.id, "scenario")
            meters = [
                create_meter(
                    conn, clock, tenant.id, slug="requests", name="Requests", event_type="request",
                    aggregation="count",
                ),
                create_meter(
                    conn, clock, tenant.id, slug="tokens", name="Tokens", event_type="request",
                    aggregation="sum", value="usage.tokens",
                ),
            ]  # fmt: skip
        return tenant.id, key, meters
    finally:
        db.close()


def post(client: httpx.Client, url: str, api_key: str, events: list[dict[str, Any]]) -> bool:
    """Post a batch until it is acknowledged; returns whether the first try was.

    Every try sends the same events, as a client does that never saw an answer.
    """
    deadline = monotonic_seconds() + 120
    first = True
    while True:
        try:
            answer = client.post(
                f"{url}/v1/events",
                json=events,
                headers={
                    "Authorization": f"Bearer {api_key}",
                    "Content-Type": "application/cloudevents-batch+json",
                },
            )
            if answer.status_code == httpx.codes.ACCEPTED:
                assert answer.json()["accepted"] == len(events), answer.text
                return first
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
        except httpx.TransportError:
            pass
        assert monotonic_seconds() < deadline, "ingest did not come back"
        first = False
        time.sleep(0.2)


class Sender(threading.Thread):
    """Posts batches in the background, evenly over `seconds`, and writes the journal."""

    def __init__(
        self, url: str, api_key: str, batches: list[list[dict[str, Any]]], seconds: float
    ) -> None:
        super().__init__(daemon=True)
        self._url, self._api_key, self._batches = url, api_key, batches
        self._seconds = seconds
        self.journal = Journal()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Send everything; an exception is kept for `finish`."""
        try:
            began = monotonic_seconds()
            with httpx.Client(timeout=60) as client:
                for number, batch in enumerate(self._batches):
                    post(client, self._url, self._api_key, batch)
                    self.journal.write(batch)
                    due = began + self._seconds * (number + 1) / len(self._batches)
                    time.sleep(max(0.0, due - monotonic_seconds()))
        except BaseException as error:  # noqa: BLE001 - raised again by `finish`
            self.failure = error

    def finish(self) -> Journal:
        """Wait until everything is acknowledged."""
        self.join(300)
        assert not self.is_alive(), "the sender did not finish"
        if self.failure is not None:
            raise self.failure
        return self.journal
