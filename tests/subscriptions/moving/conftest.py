"""The fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.postgres import Database
from tests.subscriptions.moving.moving_world import House


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    folder = tmp_path / "rows"
    folder.mkdir()
    return House.build(database, folder)
