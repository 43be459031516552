"""Levels of the stored totals: chunks, and the roll-ups that merge them.

Level 0 is a chunk, its rows by UTC hour. A run of level n > 0 is `ROLL` runs of the level below,
its rows by UTC day.
"""

from __future__ import annotations

from typing import Final

ROLL: Final = 64
"""Runs of one level that make one run of the next."""

LEVELS_MAX: Final = 4
"""Levels there are, the chunks among them: the coarsest holds ROLL**3 chunks."""


def span_of(level: int, chunk_records: int) -> int:
    """Offsets in one run of a level."""
    return chunk_records * int(ROLL**level)
