"""Which stored totals answer at a cut, and which offsets must be read from the events.

A run is taken from the stored totals when it ends within the cut, its ledger row completes it, and
the catalog that its totals were made with knew the meter. The coarsest such run answers for its
stretch; what no run answers for, the open chunk and the end of a closed generation among it, is
read from the events. A usable run stays usable: a plan never has to be checked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.levels import LEVELS_MAX, ROLL, span_of
from usage.cut import Cut

_NO_LEVEL: Final = -1
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class RunRange:
    """Runs `first_run` up to, and not including, `end_run` of one level of one partition."""

    generation: int
    partition: int
    level: int
    first_run: int
    end_run: int


@dataclass(frozen=True, slots=True, order=True)
class OffsetRange:
    """Offsets `first` up to, and not including, `end` of one partition."""

    generation: int
    partition: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Cover:
    """Every offset below a cut, exactly once: by stored totals, the rest by events.

    Both in the order of the log.
    """

    runs: tuple[RunRange, ...]
    events: tuple[OffsetRange, ...]


class Ledger:
    """What a look at the ledger proves, laid out for planning."""

    def __init__(self, rows: pl.DataFrame, chunk_records: Mapping[int, int]) -> None:
        """Lay out ledger rows.

        rows: generation, partition, level, run, last_offset, catalog_version, in any order, none
        twice. chunk_records: by generation; the runs of other generations are never used.
        """
        self._chunk_records = dict(chunk_records)
        self._levels: dict[tuple[int, int], list[tuple[int, _Ints, _Ints]]] = {}
        self._ends: dict[tuple[int, int], int] = {}
        for key, group in rows.sort("run").group_by(
            "generation", "partition", "level", maintain_order=True
        ):
            generation, partition, level = (int(str(part)) for part in key)
            if generation not in self._chunk_records or level >= LEVELS_MAX:
                continue
            runs, last, catalog = (
                group[name].to_numpy().astype(np.int64)
                for name in ("run", "last_offset", "catalog_version")
            )
            if level == 0:
                chunk = self._chunk_records[generation]
                self._ends[generation, partition] = _proved_end(runs, last, chunk)
            complete = last + 1 == (runs + 1) * span_of(level, self._chunk_records[generation])
            found = (level, runs[complete], catalog[complete])
            self._levels.setdefault((generation, partition), []).append(found)
        for levels in self._levels.values():
            levels.sort(key=lambda level: level[0])

    def proved(self) -> Cut:
        """The newest cut: chunks without a hole from the start on, then the head of the next."""
        ends = sorted(self._ends.items())
        return Cut({f"{generation}/{partition}": end for (generation, partition), end in ends})

    def cover(self, cut: Cut, catalog_version: int, levels: int = LEVELS_MAX) -> Cover:
        """The greedy cover at a cut, for meters up to a catalog version, from the finest `levels`.

        With `levels=1` only chunks are used: their totals are by hour, those above by day.
        """
        runs: list[RunRange] = []
        events: list[OffsetRange] = []
        for (generation, partition), end in sorted(cut.by_partition().items()):
            chunk = self._chunk_records.get(generation, 0)
            chunks = end // chunk if chunk else 0
            level_of = self._level_of(generation, partition, chunks, catalog_version, levels)
            read_from = chunks * chunk
            for level, first, after in _equal_stretches(level_of):
                if level != _NO_LEVEL:
                    size = ROLL**level
                    at = (generation, partition, level, first // size, after // size)
                    runs.append(RunRange(*at))
                elif after == chunks:
                    read_from = first * chunk
                else:
                    at_offsets = (generation, partition, first * chunk, after * chunk)
                    events.append(OffsetRange(*at_offsets))
            if read_from < end:
                events.append(OffsetRange(generation, partition, read_from, end))
        return Cover(tuple(runs), tuple(events))

    def _level_of(
        self, generation: int, partition: int, chunks: int, catalog_version: int, levels: int
    ) -> _Ints:
        """The coarsest usable level over each of the first `chunks` chunks of a partition."""
        level_of = np.full(chunks, _NO_LEVEL, np.int64)
        for level, runs, catalog in self._levels.get((generation, partition), []):
            size = ROLL**level
            whole = chunks // size
            if level < levels:
                usable = runs[(catalog >= catalog_version) & (runs < whole)]
                level_of[: whole * size].reshape(whole, size)[usable] = level
        return level_of


def _proved_end(runs: _Ints, last: _Ints, chunk: int) -> int:
    """Up to where sorted chunk rows prove a partition without a hole."""
    follows = runs == np.arange(len(runs))
    follows[1:] &= last[:-1] + 1 == runs[1:] * chunk
    many = len(runs) if follows.all() else int(np.argmin(follows))
    return int(last[many - 1]) + 1 if many else 0


def _equal_stretches(values: _Ints) -> Iterator[tuple[int, int, int]]:
    """(value, first, end) of each maximal stretch of equal values."""
    if not len(values):
        return
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    ends = [*starts[1:].tolist(), len(values)]
    for first, end in zip(starts.tolist(), ends, strict=True):
        yield int(values[first]), first, end
