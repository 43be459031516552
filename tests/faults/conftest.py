from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.arena import Arena, open_arena


@pytest.fixture(scope="session")
def arena() -> Iterator[Arena]:
    """Servers behind proxies, and a nursery: shared by the tests of faults, which may kill them."""
    folder = Path(tempfile.mkdtemp(prefix="tollbook-faults-"))
    try:
        with open_arena(folder) as opened:
            yield opened
    finally:
        shutil.rmtree(folder, ignore_errors=True)
