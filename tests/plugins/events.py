"""Whatever a test writes into the outbox is of a known type, and has exactly its payload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from psycopg.types.json import Jsonb

from api.event_types import EVENT_TYPES
from db import outbox

_MADE_UP: Final = ("thing.", "counter.", "probe.")
"""Subjects of tests that are about the outbox itself."""


@pytest.fixture(scope="session", autouse=True)
def events_are_checked() -> Iterator[None]:
    """Every append of the test's own process."""
    written = outbox._payload

    def checked(change: outbox.Change) -> Jsonb:
        if not change.subject.startswith(_MADE_UP):
            EVENT_TYPES[change.subject].check(change.payload, change.version)
        return written(change)

    outbox._payload = checked
    yield
    outbox._payload = written
