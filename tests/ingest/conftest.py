from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ingest.service import Service
from tests.plugins.installations import Installer


@pytest.fixture(scope="module")
def running_service(
    installer: Installer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with installer.installation() as endpoints:
        made = Service(endpoints, tmp_path_factory.mktemp("ingest"))
        made.start()
        yield made
        made.end()


@pytest.fixture
def service(running_service: Service) -> Service:
    """Ingest in a process of its own, with an API key; its log seems empty to each test."""
    running_service.forget_log()
    return running_service
