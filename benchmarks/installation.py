"""Servers and an installation for one benchmark, gone afterwards whatever happens."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import sql as compose

from benchmarks.events import DIMENSIONS, EVENT_TYPE, METERS
from catalog.meters import MeterDefinition, create_meter
from core.clock import SystemClock
from core.endpoints import Endpoints
from core.ids import TenantId
from db.clickhouse import connect_clickhouse
from db.migrate import migrate
from db.postgres import Database
from identity.tenants import ensure_tenant
from infra.local.stack import LocalStack
from streams.generation import ensure_generation

PARTITIONS: Final = 4
CHUNK_EVENTS: Final = 64_000
"""About so many events make a chunk, whatever the size of envelopes: as the manual says."""

_KAFKA_SECONDS: Final = 10
_SQL: Final = Path(__file__).parent / "sql"


def load_sql(name: str) -> str:
    """The text of `benchmarks/sql/<name>.sql`."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation with one tenant and its meters; `pids` of the servers that are ours."""

    endpoints: Endpoints
    tenant_id: TenantId
    meters: tuple[MeterDefinition, ...]
    pids: Mapping[str, int]
    folder: Path


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers, on which each run gets an installation of its own."""

    endpoints: Endpoints
    pids: Mapping[str, int]
    folder: Path

    @contextmanager
    def installation(self, envelope_events: int = 1_000) -> Iterator[Installation]:
        """A fresh installation: databases and topics under a new name, dropped afterwards.

        envelope_events: how many events a record of the log will hold, about.
        """
        with _own(self.endpoints) as endpoints:
            migrate(endpoints)
            ensure_generation(endpoints, PARTITIONS, CHUNK_EVENTS // envelope_events)
            tenant_id, meters = _catalog(endpoints)
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            yield Installation(endpoints, tenant_id, meters, self.pids, folder)


@contextmanager
def servers(environ: Mapping[str, str], report: Callable[[str, str], None]) -> Iterator[Servers]:
    """A stack of its own, or the outside servers that `environ` names.

    `report` takes the name of a server and what happens to it. Servers of its own end even when
    this process is killed.
    """
    folder = Path(tempfile.mkdtemp(prefix="tollbook-bench-"))
    stack = LocalStack(folder / "stack", environ=environ, tie_to_parent=True)
    try:
        stack.start(report)
        pids = {name: pid for name in ("kafka", "clickhouse") if (pid := stack.pid(name))}
        yield Servers(stack.endpoints(), pids, folder)
    finally:
        stack.stop()
        shutil.rmtree(folder)


def _catalog(endpoints: Endpoints) -> tuple[TenantId, tuple[MeterDefinition, ...]]:
    clock = SystemClock()
    with Database(endpoints.postgres) as db, db.transaction() as conn:
        tenant, _ = ensure_tenant(conn, clock, "bench", "Benchmark")
        meters = tuple(
            create_meter(
                conn, clock, tenant.id, slug=slug, name=slug, event_type=EVENT_TYPE,
                aggregation=aggregation, value=value, dimensions=DIMENSIONS,
            )
            for slug, (aggregation, value) in METERS.items()
        )  # fmt: skip
    return tenant.id, meters


@contextmanager
def _own(shared: Endpoints) -> Iterator[Endpoints]:
    """Databases and topics under a new name, dropped afterwards."""
    name = f"bench_{secrets.token_hex(4)}"
    own = replace(
        shared,
        postgres=_with_database(shared.postgres, name),
        clickhouse=_with_database(shared.clickhouse, name),
        topic_prefix=f"{name}.",
    )
    _in_postgres(shared.postgres, "create_postgres_database", name)
    try:
        yield own
    finally:
        _in_postgres(shared.postgres, "drop_postgres_database", name)
        client = connect_clickhouse(own.clickhouse)
        client.command(load_sql("drop_clickhouse_database"), parameters={"name": name})
        client.close()
        _delete_topics(own)


def _in_postgres(url: str, statement: str, name: str) -> None:
    text = compose.SQL(load_sql(statement))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.format(name=compose.Identifier(name)))


def _delete_topics(endpoints: Endpoints) -> None:
    admin = AdminClient({"bootstrap.servers": endpoints.kafka})
    topics = admin.list_topics(timeout=_KAFKA_SECONDS).topics
    mine = [topic for topic in topics if topic.startswith(endpoints.topic_prefix)]
    for deleted in admin.delete_topics(mine).values() if mine else ():
        deleted.result(timeout=_KAFKA_SECONDS)


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
