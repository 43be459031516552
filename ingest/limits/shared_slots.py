"""What owners of limits have spent, in a file that all ingest processes of a machine map.

Each owner has a slot. A full bucket is all zeros, so a file that was just made is right, and a slot
whose owner rests may be given to another. The lock is the kernel's: it dies with the process that
holds it. Times are of the machine's monotonic clock.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np

from core.errors import DependencyDownError, InternalError
from ingest.limits.buckets import (
    AT,
    EARLIER_BOOT_NS,
    FULL_AT,
    HIGH,
    LINE_HIGH,
    LINE_LOW,
    LINE_WORDS,
    LOW,
    MOVED,
    PLACE,
    SLOT_WORDS,
    Numbers,
    admit,
    look,
    spent_after,
    take,
    wait_ns,
)

SLOTS: Final = 65_536
"""Owners that may be short of something at once: keys and tenants."""

_WORD_BYTES: Final = 8
_WORD_BITS: Final = 64


def words_of(owner_id: UUID) -> tuple[int, int]:
    """An id as two words with sign."""
    high, low = divmod(owner_id.int, 1 << _WORD_BITS)
    half = 1 << (_WORD_BITS - 1)
    return (high + half) % (2 * half) - half, (low + half) % (2 * half) - half


class SharedSlots:
    """The file. For one thread; `close()` it. Of `lines`, see `buckets`.

    Raises `InternalError` when the file cannot be had.
    """

    def __init__(self, path: Path, slots: int = SLOTS) -> None:
        self._slots = slots
        size = slots * SLOT_WORDS * _WORD_BYTES
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._file).st_size < size:
                os.ftruncate(self._file, size)  # of several processes at once, each does the same
            self._memory = mmap.mmap(self._file, size)
        except OSError as error:
            raise InternalError(f"rate limits: {path} cannot be used: {error}") from error
        self._words: Numbers = np.frombuffer(self._memory, dtype=np.int64)

    def close(self) -> None:
        """Let go of the file."""
        self._words = np.empty(0, dtype=np.int64)
        self._memory.close()
        os.close(self._file)

    def warm_up(self) -> None:
        """Compile what works on the file: that takes its time once."""
        none: Numbers = np.empty((0, LINE_WORDS), dtype=np.int64)
        self.take(none, 0, 0, 0)
        self.give_back(none, 0, 0, 0)
        self.spent(none, 0)
        wait_ns(spent_after(0, 0, 1), 1, 1, 1)

    def fits(self, lines: Numbers, now_ns: int, events: int, size: int) -> int:
        """Whether so much could be taken now, by a look without the lock: it may be a bit off."""
        return admit(self._words, lines, now_ns, events, size, False)

    def take(self, lines: Numbers, now_ns: int, events: int, size: int) -> int:
        """Take so much from all lines, if it fits; with the lock held."""
        found = admit(self._words, lines, now_ns, events, size, True)
        if found != MOVED:
            return found
        self.find(lines, now_ns)
        return admit(self._words, lines, now_ns, events, size, True)

    def give_back(self, lines: Numbers, now_ns: int, events: int, size: int) -> None:
        """Undo a `take`; with the lock held."""
        self.find(lines, now_ns)
        take(self._words, lines, now_ns, -events, -size)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait until no other process works on the file; those do for microseconds."""
        self.lock()
        try:
            yield
        finally:
            self.unlock()

    def lock(self) -> None:
        """Begin what `locked` does, for where a microsecond counts."""
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def unlock(self) -> None:
        """End it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def spent(self, lines: Numbers, now_ns: int) -> list[int]:
        """What is missing now: of each line first events, then bytes."""
        found = np.empty(2 * len(lines), dtype=np.int64)
        look(self._words, lines, now_ns, found)
        return list(found.tolist())

    def find(self, lines: Numbers, now_ns: int) -> None:
        """Let each line have its owner's slot; with the lock held."""
        for line in lines:
            owner = int(line[LINE_HIGH]), int(line[LINE_LOW])
            place = self._place_of(owner, now_ns)
            base = place * SLOT_WORDS
            if (int(self._words[base + HIGH]), int(self._words[base + LOW])) != owner:
                self._words[base : base + SLOT_WORDS] = (*owner, 0, 0, 0, 0, 0, 0)
            line[PLACE] = place

    def _place_of(self, owner: tuple[int, int], now_ns: int) -> int:
        """The owner's slot, or the first on its way that is free or whose owner rests."""
        free = -1
        for step in range(self._slots):
            place = (owner[1] + step) % self._slots
            slot = self._words[place * SLOT_WORDS : (place + 1) * SLOT_WORDS].tolist()
            if (slot[HIGH], slot[LOW]) == owner:
                return place
            unused = not slot[HIGH] and not slot[LOW]
            rests = slot[FULL_AT] <= now_ns or slot[AT] > now_ns + EARLIER_BOOT_NS
            if free < 0 and (unused or rests):
                free = place
            if unused:
                break
        if free < 0:
            raise DependencyDownError(
                f"more than {self._slots} keys and tenants are at their rate limits at once"
            )
        return free
