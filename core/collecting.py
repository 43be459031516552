"""The garbage collector of a process that has started, and now makes objects by the thousand."""

from __future__ import annotations

import gc
from typing import Final

_YOUNG_OBJECTS: Final = 50_000
"""Made and not yet gone before a collection looks: more than those of all requests under way."""

YOUNG_OBJECTS_OF_BATCH: Final = 1_000_000
"""The same of a batch: more than those of several blocks, which go without being looked for."""


def collect_less(young_objects: int = _YOUNG_OBJECTS) -> None:
    """Leave what is there now alone for ever, and look at new objects in large lots.

    For entry points, once they have imported and opened what they need.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young_objects, *gc.get_threshold()[1:])
