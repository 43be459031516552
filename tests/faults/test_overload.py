"""A few seconds of what `make proof PART=overload` does for a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.endpoints import Endpoints
from tests.faults.overload import overload
from tests.ingest.service import Service


@pytest.mark.slow
def test_more_than_a_server_can_take_costs_no_memory_and_no_event(
    installation: Endpoints, tmp_path: Path
) -> None:
    service = Service(installation, tmp_path)
    service.start()
    try:
        report = overload(service, 3)
    finally:
        service.end()
    assert report.faults == [], report
    assert report.accepted > 0
