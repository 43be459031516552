"""Queue and sender of one client in one process: begun, flushed, closed, left behind at a fork."""

from __future__ import annotations

import atexit
import logging
import threading

from tollbook import forking
from tollbook.bell import Bell
from tollbook.clock import monotonic_seconds
from tollbook.errors import DeliveryError, FlushTimeoutError, SpoolError, TollbookError
from tollbook.progress import Progress
from tollbook.queues import MemoryQueue, Queue
from tollbook.sender import Sender
from tollbook.settings import CLOSE_SECONDS, Settings
from tollbook.spool.folder import SpoolFolder
from tollbook.spool.orphans import NO_ORPHANS, AdoptedOrphans, Orphans
from tollbook.spool.queue import SpoolQueue
from tollbook.verdicts import FlushResult

_log = logging.getLogger("tollbook")
_open: set[Engine] = set()
"""Closed at the end of the process, if not before."""


class Engine:
    """What a client has of its own in each process.

    The sender's thread starts with the first event, so that a client may be made before a server
    forks its workers.

    Attributes:
        is_closed: Whether nothing is recorded any more.
    """

    def __init__(self, settings: Settings) -> None:
        self.is_closed = False
        self._settings = settings
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._progress = Progress()
        self._bell = Bell(self._start)
        self._orphans: Orphans = NO_ORPHANS
        self.queue: Queue
        if settings.spool is None:
            self.queue = MemoryQueue(
                self._bell, settings.queue_events, settings.queue_bytes, settings.block_seconds
            )
        else:
            folder = SpoolFolder(settings.spool)
            self.queue = SpoolQueue(
                self._bell, folder, settings.spool_bytes, fsync=settings.spool_fsync
            )
            self._orphans = AdoptedOrphans(folder)
        self._sender = Sender(settings, self.queue, self._bell, self._progress, self._orphans)
        _open.add(self)
        forking.watch(self)

    def open(self) -> None:
        """Claim a spool and what others left behind in its folder. Raises `SpoolError`."""
        if isinstance(self.queue, SpoolQueue):
            try:
                self.queue.open()
            except SpoolError:
                _open.discard(self)
                raise
        self._orphans.look()
        if self._orphans.first() is not None:
            self._bell.ring()

    def flush(self, timeout_seconds: float | None) -> FlushResult:
        """Wait until everything recorded so far, and all that was adopted, has its verdict."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("flush and close would wait for the callback that calls them")
        progress, mark = self._progress, self.queue.mark()
        deadline = None if timeout_seconds is None else monotonic_seconds() + timeout_seconds
        with progress.changed:
            failures = progress.failures
            if self._is_done(mark):
                return progress.take()
        self._sender.hurry(mark)
        with progress.changed:
            while not self._is_done(mark):
                failed = min(progress.failures - failures, progress.failures_in_row)
                if progress.problem is not None and (
                    failed >= self._settings.retry.tries or (failed and progress.is_hopeless)
                ):
                    raise progress.problem
                left = None if deadline is None else deadline - monotonic_seconds()
                if left is not None and left <= 0:
                    raise FlushTimeoutError(
                        f"{self.queue.count} events not acknowledged within {timeout_seconds} s"
                    )
                progress.changed.wait(left)
            return progress.take()

    def _is_done(self, mark: int) -> bool:
        return self.queue.has_settled(mark) and self._orphans.first() is None

    def close(self, timeout_seconds: float) -> None:
        """Flush for so long, then end. What a spool holds stays there; else raises as flush."""
        if self.is_closed:
            return
        self.is_closed = True
        _open.discard(self)
        self.queue.seal()
        try:
            self.flush(timeout_seconds)
        except DeliveryError as error:
            if not self.queue.outlives:
                raise
            _log.warning("what is in the spool will be sent by the next client on it: %s", error)
        finally:
            self._end()

    def _end(self) -> None:
        self._sender.stop()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)  # longer only where a request is under way: it ends with the process
        self._orphans.close()
        self.queue.close()

    def after_fork_in_child(self) -> None:
        """All this is the parent's, which will send it."""
        _open.discard(self)

    def _start(self) -> bool:
        """Begin the thread once; False where the system gives none: that must not fail `record`."""
        if self._thread is not None:
            return True
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._sender.run, name="tollbook-sender", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError as error:
                    _log.warning("nothing is sent yet: %s", error)
                    return False
                self._thread = thread
        return True


def _close_all() -> None:
    """At the end of the process: what is recorded is sent, in a bounded time."""
    for engine in tuple(_open):
        _close_quietly(engine)


def _close_quietly(engine: Engine) -> None:
    try:
        engine.close(CLOSE_SECONDS)
    except TollbookError as error:
        _log.error("at the end of the process: %s", error)


atexit.register(_close_all)
