"""The cold tier: all open runs of a partition, asked together."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from core.intrinsics import Words
from streams.index.folder import remove
from streams.index.hot_kernels import Times, find_places
from streams.index.runs import Run

_ANCIENT: Final = -(1 << 62)


class ColdTier:
    """Runs, each with its file where it has a name; a key may be in several."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._runs: list[tuple[Run, Path | None]] = []

    def __len__(self) -> int:
        """Keys in all runs."""
        return sum(run.head.keys for run, _ in self._runs)

    @property
    def resident_bytes(self) -> int:
        """Memory that all runs take."""
        return sum(run.resident_bytes for run, _ in self._runs)

    def add(self, run: Run, path: Path | None) -> None:
        """Ask this run, too, from now on."""
        self._runs.append((run, path))

    def look_up(
        self, places: Words, lows: Words, asked: npt.NDArray[np.bool_], live_from: int
    ) -> tuple[Words, Times] | None:
        """Contents and times of the latest copies; None where there are no runs.

        Raises `InternalError` when a file is not what it was.
        """
        if not self._runs:
            return None
        contents = np.zeros(len(places), np.uint64)
        since_ms = np.full(len(places), _ANCIENT, np.int64)
        of_seed = {self._seed: places}
        for run, _ in self._runs:
            if run.newest_ms < live_from:
                continue
            seed = run.head.seed
            if seed not in of_seed:
                of_seed[seed] = _moved(places, lows, self._seed, seed)
            run.look_up(of_seed[seed], lows, asked, contents, since_ms)
        return contents, since_ms

    def expire(self, live_from: int) -> None:
        """Forget the runs of which everything is since before `live_from`, and their files."""
        for run, path in self._runs:
            if run.newest_ms < live_from:
                run.close()
                if path is not None:
                    remove(path)
        self._runs = [(run, path) for run, path in self._runs if run.newest_ms >= live_from]

    def close(self) -> None:
        """Let go of all files; they stay."""
        for run, _ in self._runs:
            run.close()
        self._runs.clear()


def _moved(places: Words, lows: Words, old_seed: int, new_seed: int) -> Words:
    """The places that the same keys have under another seed."""
    keys = np.zeros((len(lows), 2), np.uint64)
    keys[:, 1] = lows
    old, new, unused = (np.empty(len(lows), np.uint64) for _ in range(3))
    find_places(keys, np.uint64(old_seed), old, unused)
    find_places(keys, np.uint64(new_seed), new, unused)
    return places - old + new
