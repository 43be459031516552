from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.endpoints import Endpoints
from tests.scenarios.world import World


@pytest.fixture
def world(installation: Endpoints, tmp_path: Path) -> Iterator[World]:
    made = World(installation, tmp_path)
    yield made
    made.end()
