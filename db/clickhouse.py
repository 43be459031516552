"""ClickHouse: the HTTP client, set up the one way that exact-once writing relies on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

import sql
from core.errors import DependencyDownError, ValidationError

_SETTINGS: Final = {
    "insert_deduplicate": 0,
    "async_insert": 0,
    "distributed_foreground_insert": 1,
    "insert_quorum": "auto",
    "distributed_product_mode": "local",
    "load_balancing": "in_order",
}
"""An identical retry after a lost part must be written again, and acknowledged means written: in a
cluster on the right shard and on most of its replicas, and what a query joins lies on one shard.
What was written is read from the replica that took it, while that one is up: a void must find its
target, a roll-up the rows that it merges. A single server has no need of the last four."""

_CONNECT_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 300
_DATABASE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PORTS: Final = {"http": 8123, "https": 8443}


@dataclass(frozen=True, slots=True)
class ClickHouseAddress:
    """The parts of a ClickHouse URL."""

    secure: bool
    host: str
    port: int
    user: str
    password: str
    database: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"ClickHouseAddress({self.user}@{self}/{self.database})"


def parse_clickhouse_url(url: str) -> ClickHouseAddress:
    """Read `http(s)://user:password@host:port/database`. Raises `ValidationError`."""
    parts = urlsplit(url)
    database = unquote(parts.path.removeprefix("/")) or "default"
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ValidationError("CLICKHOUSE_URL: expected http://user:password@host:port/database")
    if not _DATABASE_NAME.fullmatch(database):
        raise ValidationError(
            f"CLICKHOUSE_URL: the database {database!r} is no plain name; use letters, digits and _"
        )
    return ClickHouseAddress(
        secure=parts.scheme == "https",
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=database,
    )


def connect_clickhouse(url: str) -> Client:
    """A client of the database that the URL names; threads may share it (it has no session).

    Raises `DependencyDownError` when the server does not answer or refuses the user.
    """
    address = parse_clickhouse_url(url)
    return _client(address, address.database)


def ensure_clickhouse_database(url: str) -> None:
    """Create the URL's database unless it exists. Raises `DependencyDownError`."""
    address = parse_clickhouse_url(url)
    client = _client(address, "default")
    try:
        client.command(
            sql.load("clickhouse/queries/create_database"),
            parameters={"database": address.database},
        )
    finally:
        client.close()


def _client(address: ClickHouseAddress, database: str) -> Client:
    settings: dict[str, Any] = dict(_SETTINGS)
    try:
        return clickhouse_connect.get_client(
            host=address.host,
            port=address.port,
            username=address.user,
            password=address.password,
            database=database,
            secure=address.secure,
            settings=settings,
            compress="lz4",
            autogenerate_session_id=False,
            connect_timeout=_CONNECT_SECONDS,
            send_receive_timeout=_ANSWER_SECONDS,
        )
    except OperationalError as error:
        raise DependencyDownError(
            f"ClickHouse at {address} does not answer", address=str(address)
        ) from error
    except ClickHouseError as error:
        reason = str(error).splitlines()[0]
        raise DependencyDownError(
            f"ClickHouse at {address} refuses the connection: {reason}", address=str(address)
        ) from error
