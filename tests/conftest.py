from __future__ import annotations

from typing import Final

from hypothesis import settings

pytest_plugins: Final = (
    "tests.plugins.cases",
    "tests.plugins.events",
    "tests.plugins.seed",
    "tests.plugins.stack",
)

# A shared machine stalls: how long an example takes says nothing about the code.
settings.register_profile("tollbook", deadline=None, print_blob=True)
settings.load_profile("tollbook")
