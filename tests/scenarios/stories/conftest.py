from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from core.endpoints import Endpoints
from db.postgres import Database
from tests.scenarios.stories.teller import Town


@pytest.fixture
def town(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        yield Town.build(installation, database, random.Random(seed))
