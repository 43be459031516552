"""The folder that processes share: who owns which sub-spool, and what is left to others."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tollbook.errors import SpoolError
from tollbook.spool.locks import FileLock
from tollbook.verdicts import Rejection

REFUSED_BYTES_MAX = 64 * 1024 * 1024
"""`refused.ndjson` grows to this; from then on, refused events are only reported."""

_MUTEX_SECONDS = 10.0
_SUFFIX = ".spool"
_NAME_LENGTH = 32
_log = logging.getLogger("tollbook")


@dataclass(frozen=True)
class SubSpool:
    """A folder of segments, and the lock that makes it ours."""

    path: Path
    lock: FileLock

    def bases(self) -> list[int]:
        """The places at which its segments begin, in order."""
        segments = (path for path in self.path.iterdir() if path.suffix == _SUFFIX)
        return sorted(int(path.stem) for path in segments if path.stem.isdecimal())

    def segment(self, base: int) -> Path:
        """The file of a segment."""
        return self.path / f"{base:020d}{_SUFFIX}"

    @property
    def position(self) -> Path:
        """The file that holds what is settled."""
        return self.path / "position"


class SpoolFolder:
    """Sub-spools are made, adopted and removed under one lock, so that no two see half of it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self) -> SubSpool:
        """A new sub-spool. Raises `SpoolError`."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._mutex(_MUTEX_SECONDS) as is_held:
                if not is_held:
                    raise SpoolError(f"spool: {self.path / '.lock'} is held by another process")
                path = self.path / os.urandom(_NAME_LENGTH // 2).hex()
                path.mkdir(mode=0o700)
                lock = FileLock.acquire(path / "lock")
                assert lock is not None, "nobody else looks at it before the mutex is given back"
                return SubSpool(path, lock)
        except OSError as error:
            raise SpoolError(f"spool: cannot make a folder in {self.path}: {error}") from error

    def adopt(self) -> Iterator[SubSpool]:
        """Sub-spools whose owners are gone, ours from now on. Raises `OSError`."""
        if not self.path.is_dir():
            return
        with self._mutex(0.0) as is_held:
            for path in sorted(self.path.iterdir()) if is_held else ():
                if len(path.name) == _NAME_LENGTH and path.is_dir():
                    try:
                        lock = FileLock.acquire(path / "lock")
                    except OSError as error:
                        _log.warning("spool: %s is left alone: %s", path, error)
                        continue
                    if lock is not None:
                        yield SubSpool(path, lock)

    def remove(self, sub: SubSpool) -> None:
        """Delete a sub-spool of ours in which nothing is left. Raises `OSError`."""
        with self._mutex(_MUTEX_SECONDS) as is_held:
            if is_held:  # else it is found again, empty, by whoever comes next
                shutil.rmtree(sub.path)
            sub.lock.release()

    def keep_refused(self, rejections: Sequence[Rejection]) -> None:
        """Append refused events to `refused.ndjson`, up to its limit. Raises `OSError`."""
        path = self.path / "refused.ndjson"
        lines = b"".join(
            b'{"code":%s,"message":%s,"event":%s}\n'
            % (json.dumps(each.code).encode(), json.dumps(each.message).encode(), each.event.wire)
            for each in rejections
        )
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0) as file:
            if file.tell() + len(lines) <= REFUSED_BYTES_MAX and file.write(lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def keep_damaged(self, sub: SubSpool, base: int) -> Path:
        """Set a segment aside for people to look at. Raises `OSError`."""
        folder = self.path / "damaged"
        folder.mkdir(mode=0o700, exist_ok=True)
        kept = folder / f"{sub.path.name}-{base:020d}{_SUFFIX}"
        sub.segment(base).rename(kept)
        return kept

    @contextlib.contextmanager
    def _mutex(self, wait_seconds: float) -> Iterator[bool]:
        lock = FileLock.acquire(self.path / ".lock", wait_seconds)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()
