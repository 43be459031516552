"""Locks of files: held by a process until it gives them back or dies."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from weakref import WeakSet

from tollbook import forking
from tollbook.clock import monotonic_seconds

with contextlib.suppress(ImportError):  # settings refuse a spool where there are no such locks
    import fcntl

_LOOK_SECONDS = 0.005


class FileLock:
    """An exclusive lock, also against other holders in the same process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, path: Path, wait_seconds: float = 0.0) -> FileLock | None:
        """Take a lock, making its file; None when another holds it. Raises `OSError`."""
        deadline = monotonic_seconds() + wait_seconds
        while (lock := cls._try(path)) is None:
            if monotonic_seconds() >= deadline:
                return None
            time.sleep(_LOOK_SECONDS)
        return lock

    @classmethod
    def _try(cls, path: Path) -> FileLock | None:
        with forking.guard:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except OSError:
                os.close(descriptor)
                raise
            lock = cls(descriptor)
            _held.locks.add(lock)
            return lock

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        with forking.guard:
            if self._descriptor is not None:
                _held.locks.discard(self)
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
                os.close(self._descriptor)
                self._descriptor = None

    def leave_to_parent(self) -> None:
        """In a forked child: close the file without unlocking it, for both share one lock."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


class _Held:
    """The locks that this process holds."""

    def __init__(self) -> None:
        self.locks: WeakSet[FileLock] = WeakSet()

    def after_fork_in_child(self) -> None:
        """They stay the parent's: had the child them, too, they would outlive the parent."""
        for lock in tuple(self.locks):
            lock.leave_to_parent()
        self.locks = WeakSet()


_held = _Held()
forking.watch(_held)
