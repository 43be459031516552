"""The fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db.postgres import Database
from tests.plugins.database import database, database_url, new_database
from tests.plugins.installations import Installer

__all__ = ["database", "database_url", "module_database"]


@pytest.fixture(scope="module")
def module_database(installer: Installer) -> Iterator[Database]:
    """One for all tests of a module, which change nothing in it."""
    with new_database(installer) as url, Database(url) as opened:
        yield opened
