from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.environment import clients_python
from tests.compat.town import Town
from tests.plugins.installations import Installer


@pytest.fixture(scope="session")
def clients() -> Path:
    """Python with the real clients."""
    return clients_python()


@pytest.fixture(scope="module")
def town(
    installer: Installer, clients: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    """The compatible routes and a stream worker, running."""
    with installer.installation() as endpoints:
        made = Town(endpoints, tmp_path_factory.mktemp("compat"), clients)
        yield made
        made.end()
