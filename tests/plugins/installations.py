"""Installations: databases in Postgres and ClickHouse, and topics, of their own on one stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import sql as compose

from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from db.migrate import migrate, migrate_clickhouse, migrate_postgres
from streams.generation import ensure_generation

_TEMPLATE: Final = "template_tollbook"
_KAFKA_SECONDS: Final = 10


class Installer:
    """Makes installations on one stack; Postgres is migrated once, then copied."""

    def __init__(self, servers: Endpoints) -> None:
        self._servers = servers
        self._made = 0
        self._run_in_postgres("CREATE DATABASE {}", _TEMPLATE)
        migrate_postgres(_with_database(servers.postgres, _TEMPLATE))

    @contextmanager
    def installation(self, partitions: int = 4, chunk_records: int = 64) -> Iterator[Endpoints]:
        """An empty installation with all schemas and topics, gone afterwards."""
        self._made += 1
        name = f"test_{self._made}"
        endpoints = replace(
            self._servers,
            postgres=_with_database(self._servers.postgres, name),
            clickhouse=_with_database(self._servers.clickhouse, name),
            topic_prefix=f"{name}.",
        )
        copy = f"CREATE DATABASE {{}} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY"
        self._run_in_postgres(copy, name)
        migrate_clickhouse(endpoints.clickhouse)
        ensure_generation(endpoints, partitions, chunk_records)
        yield endpoints
        self._run_in_postgres("DROP DATABASE {} WITH (FORCE)", name)
        client = connect_clickhouse(_with_database(self._servers.clickhouse, "default"))
        client.command(f"DROP DATABASE {name} SYNC")
        client.close()
        _delete_topics(endpoints)

    def _run_in_postgres(self, statement: str, database: str) -> None:
        url = _with_database(self._servers.postgres, "postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(compose.SQL(statement).format(compose.Identifier(database)))


def install(servers: Endpoints) -> Endpoints:
    """Migrate and create topics on a stack that belongs to one test alone."""
    migrate(servers)
    ensure_generation(servers)
    return servers


def _delete_topics(endpoints: Endpoints) -> None:
    admin = AdminClient({"bootstrap.servers": endpoints.kafka})
    topics = admin.list_topics(timeout=_KAFKA_SECONDS).topics
    mine = [topic for topic in topics if topic.startswith(endpoints.topic_prefix)]
    for deleted in admin.delete_topics(mine).values() if mine else ():
        deleted.result(timeout=_KAFKA_SECONDS)


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
