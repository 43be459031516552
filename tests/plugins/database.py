"""A migrated Postgres database of one's own on the shared stack: for tests that need no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from db.postgres import Connection, Database
from tests.plugins.installations import _TEMPLATE, Installer

_numbers = count(1)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def do(
    db: Database,
    call: Callable[Concatenate[Connection, _P], _T],
    *args: _P.args,
    **words: _P.kwargs,
) -> _T:
    """`call(conn, …)` in a transaction of its own."""
    with db.transaction() as conn:
        return call(conn, *args, **words)


@contextmanager
def new_database(installer: Installer) -> Iterator[str]:
    """The URL of an empty database with all schemas, gone afterwards."""
    servers = installer._servers.postgres
    name = f"database_{next(_numbers)}"
    with psycopg.connect(servers, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY".encode())
        yield urlunsplit(urlsplit(servers)._replace(path=f"/{name}"))
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def database_url(installer: Installer) -> Iterator[str]:
    """The same for one test."""
    with new_database(installer) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, opened."""
    with Database(database_url) as opened:
        yield opened
