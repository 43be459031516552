"""Ingest as senders meet it: real processes on a real port, and the log read back from Kafka."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from core.clock import SystemClock
from core.endpoints import Endpoints
from core.envelope import decode_envelope
from core.ids import TenantId
from db.postgres import Database
from identity.api_keys import insert_api_key
from identity.tenants import ensure_tenant
from infra.local.child import Child

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"


@dataclass(frozen=True)
class Envelope:
    """One record of the log."""

    partition: int
    headers: dict[str, str]
    size_bytes: int
    events: list[dict[str, Any]]


class Service:
    """Ingest processes of one installation, and a tenant with a key."""

    def __init__(self, endpoints: Endpoints, folder: Path) -> None:
        self.endpoints, self.folder = endpoints, folder
        self.processes: list[Child] = []
        self._topic = endpoints.usage_events_topic()
        self._starts: dict[int, int] = {}
        self.tenant_id, self.api_key = self.add_tenant("acme")

    def add_tenant(self, slug: str) -> tuple[TenantId, str]:
        """A tenant and a key of its own."""
        clock, db = SystemClock(), Database(self.endpoints.postgres)
        try:
            with db.transaction() as conn:
                tenant, _ = ensure_tenant(conn, clock, slug, slug.title())
                return tenant.id, insert_api_key(conn, clock, tenant.id, "test")
        finally:
            db.close()

    def start(self, *options: str) -> str:
        """Start one more process; returns its URL."""
        name = f"ingest-{len(self.processes)}"
        state = str(self.folder / name)
        arguments = ["serve", "ingest", "--port", "0", "--state-dir", state, *options]
        process = Child(name, arguments, self.endpoints, self.folder, os.environ)
        self.processes.append(process)
        process.start()
        return process.wait_for(r"listening on (http://\S+)")[1]

    @property
    def url(self) -> str:
        """Where the first process listens."""
        return self.processes[0].wait_for(r"listening on (http://\S+)")[1]

    def client(self, api_key: str | None = None) -> httpx.Client:
        """An HTTP client that sends a key."""
        headers = {"Authorization": f"Bearer {api_key or self.api_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            process.end()

    def forget_log(self) -> None:
        """Let `read_log` begin after what is in the log now."""
        with self._consumer() as consumer:
            self._starts = {p: end for p, _, end in self._ranges(consumer)}

    def read_log(self) -> list[Envelope]:
        """Every record of the log since `forget_log`, by partition and offset."""
        found: list[Envelope] = []
        with self._consumer() as consumer:
            for partition, start, end in self._ranges(consumer):
                consumer.assign([TopicPartition(self._topic, partition, start)])
                found.extend(self._read(consumer, partition) for _ in range(start, end))
        return found

    def _read(self, consumer: Consumer, partition: int) -> Envelope:
        message = consumer.poll(10)
        assert message is not None, f"partition {partition} ends early"
        assert message.error() is None, message.error()
        value, headers = message.value(), message.headers()
        assert isinstance(value, bytes)
        assert isinstance(headers, list)
        texts = {name: text.decode() for name, text in headers if isinstance(text, bytes)}
        return Envelope(partition, texts, len(value), decode_envelope(value).to_pylist())

    def _ranges(self, consumer: Consumer) -> list[tuple[int, int, int]]:
        """Partition, first offset to read, offset after the last."""
        found = []
        for partition in sorted(
            consumer.list_topics(self._topic, 10).topics[self._topic].partitions
        ):
            _, end = consumer.get_watermark_offsets(TopicPartition(self._topic, partition), 10)
            found.append((partition, self._starts.get(partition, 0), end))
        return found

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.endpoints.kafka,
                "group.id": "unused",
                "enable.auto.commit": False,
            }
        )
        try:
            yield consumer
        finally:
            consumer.close()

    def logged_ids(self) -> list[str]:
        """The id of every event in the log, copies included."""
        return [event["id"] for envelope in self.read_log() for event in envelope.events]


def event(event_id: str, **changes: object) -> dict[str, Any]:
    """A good event."""
    attributes = {"specversion": "1.0", "id": event_id, "source": "/a", "type": "t"}
    return attributes | {"subject": "s", "data": {"n": 1}} | changes
