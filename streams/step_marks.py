"""Marks of the steps under way, in files that outlive the process: what did the last one die of?

A step (decode and kernel, no writing) of a lane is marked before it begins. A mark left behind says
in which step the last process died. Its records are then processed in a few pieces, and those of a
piece in which the next one dies again in a few, down to one by one, while no other step runs: so
that a death has one record to its name, and a kill from outside costs a few short steps.
"""

from __future__ import annotations

import logging
import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from core.errors import TollbookError
from core.faults import reach_record

if TYPE_CHECKING:
    from streams.records import Record

_PIECES: Final = 16
"""Pieces into which the records of a deadly step are divided."""

DEATHS_MAX: Final = 3
"""Deaths at one record in a row that halt its partition."""

_LOG = logging.getLogger(__name__)
_MARK: Final = Struct("<8sQQQQ")
_MAGIC: Final = b"tollstep"
_IDLE, _IN_STEP, _SUSPECTED = 0, 1, 2
RAISED: Final = 1 << 32
"""Deaths of a record whose processing raised an error: it would each time."""

_PASSING: Final = (MemoryError, OSError)
"""What may fail in a step and say nothing about its records."""


class Suspect(NamedTuple):
    """Records from `first` on, `many` of them; one that stands alone may have `deaths`."""

    first: int
    many: int
    deaths: int

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self.first + self.many


class _Mark:
    """The mark of one partition: a page that the operating system keeps when the process dies."""

    def __init__(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size != _MARK.size:
            path.write_bytes(bytes(_MARK.size))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _MARK.size)

    def read(self) -> tuple[int, Suspect]:
        magic, state, *numbers = _MARK.unpack_from(self._page)
        return (state if magic == _MAGIC else _IDLE), Suspect(*numbers)

    def write(self, state: int, suspect: Suspect) -> None:
        self._page[:8] = bytes(8)  # a mark half written is no mark
        _MARK.pack_into(self._page, 0, bytes(8), state, *suspect)
        self._page[:8] = _MAGIC

    def clear(self) -> None:
        self._page[:8] = bytes(8)


class StepWatch:
    """The steps under way in this process, and what the process before it left. Threads share it.

    While there are suspects, steps of all lanes take turns: a death belongs to one step.
    """

    def __init__(self, folder: Path, generation: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._generation = folder, generation
        self._turn = threading.Lock()
        self._marks: dict[int, _Mark] = {}
        self._suspects: dict[int, Suspect] = {}
        for path in folder.glob(f"{generation}-*"):
            if path.name.removeprefix(f"{generation}-").isdecimal():
                self._recall(int(path.name.removeprefix(f"{generation}-")))

    def suspect(self, partition: int) -> Suspect | None:
        """The records of a partition that are processed in pieces, if any."""
        return self._suspects.get(partition)

    def forget(self, partition: int) -> None:
        """Suspect nothing in a partition any more."""
        self._suspects.pop(partition, None)
        self._mark(partition).clear()

    def keep(self, partitions: set[int]) -> None:
        """Forget suspects of partitions that other workers have now; their files stay."""
        for partition in set(self._suspects) - partitions:
            del self._suspects[partition]

    def pieces(self, partition: int, records: list[Record]) -> list[list[Record]]:
        """Consecutive records, in the stretches in which they are to be processed."""
        suspect = self._suspects.get(partition)
        if suspect is None or not records:
            return [records] if records else []
        before = [record for record in records if record.offset < suspect.first]
        among = [record for record in records if suspect.first <= record.offset < suspect.end]
        size = -(-suspect.many // _PIECES)
        parts = [among[at : at + size] for at in range(0, len(among), size)]
        after = [record for record in records if record.offset >= suspect.end]
        return [piece for piece in (before, *parts, after) if piece]

    @contextmanager
    def step(self, partition: int, records: list[Record]) -> Iterator[None]:
        """Mark the step that processes these records; it is unmarked once they are processed."""
        mark, suspect = self._mark(partition), self._suspects.get(partition)
        first, many = records[0].offset, len(records)
        same = suspect is not None and suspect[:2] == (first, many) == (first, 1)
        stretch = Suspect(first, many, suspect.deaths if suspect and same else 0)
        with self._turn if self._suspects else nullcontext():
            mark.write(_IN_STEP, stretch)
            try:
                for record in records:
                    if record.rejected is None:
                        reach_record(partition, record.offset)
                yield
            except TollbookError:
                mark.clear()
                raise
            except BaseException as error:
                if mark.read()[0] == _IN_STEP:  # nothing outside the step failed
                    self._blame(partition, stretch, error)
                raise
            mark.clear()
            self._passed(partition, first + many)

    @contextmanager
    def outside(self, partition: int) -> Iterator[None]:
        """Within a step: wait for a server without being counted as processing a record."""
        mark = self._mark(partition)
        state, stretch = mark.read()
        mark.clear()
        yield
        if state == _IN_STEP:
            mark.write(state, stretch)

    def _passed(self, partition: int, end: int) -> None:
        """Records before `end` are processed: they are suspects no more."""
        suspect = self._suspects.get(partition)
        if suspect is None:
            return
        if end >= suspect.end:
            del self._suspects[partition]
        else:
            if end > suspect.first:
                suspect = Suspect(end, suspect.end - end, 0)
            self._suspect(partition, suspect)

    def _blame(self, partition: int, stretch: Suspect, error: BaseException) -> None:
        """A step failed without killing the process, which ends now: count it here."""
        deaths = 0
        if stretch.many == 1:
            passing = isinstance(error, _PASSING)
            deaths = stretch.deaths + 1 if passing else RAISED
        self._suspect(partition, stretch._replace(deaths=deaths))

    def _recall(self, partition: int) -> None:
        state, stretch = self._mark(partition).read()
        if state == _IDLE:
            return
        if state == _IN_STEP:
            stretch = stretch._replace(deaths=stretch.deaths + 1 if stretch.many == 1 else 0)
            _LOG.warning(
                "partition %d: the last process died while it processed %d records from offset %d"
                " (alone: %d times)", partition, stretch.many, stretch.first, stretch.deaths,
            )  # fmt: skip
        self._suspect(partition, stretch)

    def _suspect(self, partition: int, suspect: Suspect) -> None:
        self._suspects[partition] = suspect
        self._mark(partition).write(_SUSPECTED, suspect)

    def _mark(self, partition: int) -> _Mark:
        if partition not in self._marks:
            self._marks[partition] = _Mark(self._folder / f"{self._generation}-{partition}")
        return self._marks[partition]
