"""Fixtures for real servers. Nothing is skipped: a server that does not start is a failure.

| fixture | what a test gets |
|---|---|
| `stack` | the session's shared stack: do not stop or kill its parts |
| `installation` | schemas and topics of its own on the shared stack, empty |
| `fresh_stack` | a stack of its own, for tests that kill servers |
| `fresh_installation` | schemas and topics on the fresh stack |
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from core.endpoints import VARIABLES, Endpoints
from infra.local.stack import LocalStack
from tests.plugins.installations import Installer, install

_ALL: Final = ("kafka", "clickhouse", "postgres")
_SERVERS_OF_FIXTURE: Final = {
    "stack": _ALL,
    "fresh_stack": _ALL,
    "owner": ("clickhouse",),
    "own_directory": ("clickhouse",),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs servers, so that `-m "not kafka"` finds the tests that do not."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            for mark in _SERVERS_OF_FIXTURE.get(fixture, ()):
                item.add_marker(mark)


@contextmanager
def running_stack() -> Iterator[LocalStack]:
    """A stack in a temporary folder; it ends with this process even if that is killed."""
    # The variables that name outside servers are for people: tests always bring their own.
    environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    folder = Path(tempfile.mkdtemp(prefix="tollbook-test-"))
    stack = LocalStack(folder, environ=environ, tie_to_parent=True)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
        stack.state.delete()


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with running_stack() as running:
        yield running


@pytest.fixture(scope="session")
def installer(stack: LocalStack) -> Installer:
    return Installer(stack.endpoints())


@pytest.fixture
def installation(installer: Installer) -> Iterator[Endpoints]:
    with installer.installation() as endpoints:
        yield endpoints


@pytest.fixture
def fresh_stack() -> Iterator[LocalStack]:
    with running_stack() as running:
        yield running


@pytest.fixture
def fresh_installation(fresh_stack: LocalStack) -> Endpoints:
    return install(fresh_stack.endpoints())
