"""The folder of one partition's local files, owned by one index at a time.

Each owner has a folder of its own below that of the partition, locked while the owner lives: one
that lost its partition but writes on, in this process or another, writes where nobody reads. A new
owner takes the folder that goes furthest among those that are free.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from core.clock import monotonic_seconds

_LOCK: Final = "lock"
_OWNERS_MAX: Final = 64
_POLL_SECONDS: Final = 0.05


class Folder:
    """A locked folder below `parent`.

    Waits a moment for an owner that is about to end. Raises `OSError` when there is none to be had.
    """

    def __init__(self, parent: Path, patience_seconds: float = 0.0) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        deadline = monotonic_seconds() + patience_seconds
        while (free := _free_folders(parent))[-1][0] and monotonic_seconds() < deadline:
            for _, lock, _ in free:
                os.close(lock)
            time.sleep(_POLL_SECONDS)
        *others, (_, self._lock, self.path) = sorted(free, key=lambda found: _reach(found[2]))
        for _, lock, path in others:
            for file in _files(path):
                remove(file)
            os.close(lock)
        for path in self.path.glob("*.tmp"):
            remove(path)

    def files(self) -> list[Path]:
        """Segments and runs by the chunk they begin with; a run before the segment it was."""
        return _files(self.path)

    def close(self) -> None:
        """Unlock it for the next owner."""
        os.close(self._lock)


def _free_folders(parent: Path) -> list[tuple[bool, int, Path]]:
    """Every folder that could be locked: whether another was not, its lock, its path."""
    found: list[tuple[bool, int, Path]] = []
    others = False
    for number in range(_OWNERS_MAX):
        path = parent / str(number)
        if not path.exists() and found:
            break
        path.mkdir(exist_ok=True)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            others = True
            continue
        found.append((others, lock, path))
    if not found:
        raise OSError(f"{parent}: every folder below it is locked")
    return [(others, lock, path) for _, lock, path in found]


def _files(path: Path) -> list[Path]:
    found = [file for file in path.iterdir() if file.suffix in {".segment", ".run"}]
    return sorted(found, key=lambda file: (file.stem, file.suffix))


def _reach(path: Path) -> str:
    """The chunk that the last file begins with, as a name."""
    return max((file.stem for file in _files(path)), default="")


def remove(path: Path) -> None:
    """Delete a file; one that stays is never believed more than it deserves."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
