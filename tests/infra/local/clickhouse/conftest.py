"""One owner process for all tests of a session, a database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from tests.infra.local.clickhouse.owner import Owner


@pytest.fixture(scope="session")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """A running owner that all tests share."""
    with Owner(tmp_path_factory.mktemp("clickhouse") / "data") as running:
        yield running


@pytest.fixture
def database(owner: Owner) -> Iterator[str]:
    """An empty database of the shared owner."""
    name = f"test_{uuid4().hex}"
    with owner.http() as http:
        http.post("/", content=f"CREATE DATABASE {name}").raise_for_status()
        yield name
        http.post("/", content=f"DROP DATABASE {name}").raise_for_status()


@pytest.fixture
def client(owner: Owner, database: str) -> Iterator[Client]:
    """clickhouse-connect on the test's database."""
    with owner.client(database=database) as connected:
        yield connected


@pytest.fixture
def http(owner: Owner, database: str) -> Iterator[httpx.Client]:
    """A bare HTTP client on the test's database."""
    with owner.http(headers={"X-ClickHouse-Database": database}) as connected:
        yield connected


@pytest.fixture
def own_directory(tmp_path: Path) -> Path:
    """Where a test that stops its owner keeps the data."""
    return tmp_path / "data"
