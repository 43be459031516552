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

from benchmarks.events import EVENT_TYPE, METERS
from catalog.meters import MeterDefinition, create_meter
from core.clock import SystemClock
from core.endpoints import VARIABLES, Endpoints
from core.ids import TenantId
from db.clickhouse import connect_clickhouse
from db.migrate import migrate
from db.postgres import Database
from identity.tenants import ensure_tenant
from infra.local.stack import LocalStack
from streams.generation import ensure_generation

PARTITIONS: Final = 4
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


@contextmanager
def installed(
    environ: Mapping[str, str], report: Callable[[str, str], None]
) -> Iterator[Installation]:
    """A fresh installation on a stack of its own, or on the outside servers that `environ` names.

    Outside servers get databases and topics of their own, dropped afterwards. `report` takes the
    name of a server and what happens to it. The servers end even when this process is killed.
    """
    folder = Path(tempfile.mkdtemp(prefix="tollbook-bench-"))
    stack = LocalStack(folder / "stack", environ=environ, tie_to_parent=True)
    try:
        stack.start(report)
        outside = any(environ.get(name) for name in VARIABLES)
        pids = {name: pid for name in ("kafka", "clickhouse") if (pid := stack.pid(name))}
        with _own(stack.endpoints(), drop=outside) as endpoints:
            report("schemas", "migrating")
            migrate(endpoints)
            ensure_generation(endpoints, partitions=PARTITIONS)
            tenant_id, meters = _catalog(endpoints)
            report("schemas", "ready")
            yield Installation(endpoints, tenant_id, meters, pids, folder)
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
                aggregation="count" if path is None else "sum", value_path=path,
            )
            for slug, path in METERS.items()
        )  # fmt: skip
    return tenant.id, meters


@contextmanager
def _own(servers: Endpoints, *, drop: bool) -> Iterator[Endpoints]:
    """Databases and topics under a new name, dropped afterwards when `drop`."""
    name = f"bench_{secrets.token_hex(4)}"
    own = replace(
        servers,
        postgres=_with_database(servers.postgres, name),
        clickhouse=_with_database(servers.clickhouse, name),
        topic_prefix=f"{name}.",
    )
    _in_postgres(servers.postgres, "create_postgres_database", name)
    try:
        yield own
    finally:
        if drop:
            _in_postgres(servers.postgres, "drop_postgres_database", name)
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
