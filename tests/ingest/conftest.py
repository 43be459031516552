from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.endpoints import Endpoints
from tests.ingest.service import Service


@pytest.fixture
def service(installation: Endpoints, tmp_path: Path) -> Iterator[Service]:
    """Ingest in a process of its own, with an API key."""
    made = Service(installation, tmp_path)
    made.start()
    yield made
    made.end()
