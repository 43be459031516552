"""The queue of a client in spool mode: a sub-spool of its own, written and read at once."""

from __future__ import annotations

from collections.abc import Sequence

from tollbook.bell import Bell
from tollbook.errors import ClientClosedError, SpoolError, SpoolFullError
from tollbook.queues import Batch, Queue
from tollbook.spool.folder import SpoolFolder, SubSpool
from tollbook.spool.frames import frame_of
from tollbook.spool.reader import SpoolReader
from tollbook.spool.writer import SpoolWriter
from tollbook.verdicts import Rejection


class _Ends:
    """Both ends of the sub-spool, once it is claimed."""

    def __init__(self, folder: SpoolFolder, *, fsync: bool) -> None:
        self.sub: SubSpool = folder.claim()
        self.writer = SpoolWriter(self.sub, fsync=fsync)
        self.reader = SpoolReader(folder, self.sub, self.writer.bases)


class SpoolQueue(Queue):
    """Claims its sub-spool when opened or at the first event: so a forked child gets its own."""

    outlives = True

    def __init__(self, bell: Bell, folder: SpoolFolder, bytes_max: int, *, fsync: bool) -> None:
        super().__init__(bell)
        self.size_bytes = 0
        self._folder, self._bytes_max, self._fsync = folder, bytes_max, fsync
        self._ends: _Ends | None = None
        self._count = 0
        self._is_sealed = False

    @property
    def count(self) -> int:
        """How many events wait."""
        return self._count

    def open(self) -> None:
        """Claim a sub-spool. Raises `SpoolError`."""
        with self.lock:
            self._opened()

    def _opened(self) -> _Ends:
        if self._is_sealed:
            raise ClientClosedError("the client is closed: record before close()")
        if self._ends is None:
            self._ends = _Ends(self._folder, fsync=self._fsync)
        return self._ends

    def append(self, wire: bytes, *, may_block: bool = True) -> None:  # noqa: ARG002 - it never does
        """Write an event. Raises `SpoolFullError` or `SpoolError`; it is not recorded then."""
        frame = frame_of(wire)
        with self.lock:
            ends = self._ends
            if ends is None or self._is_sealed:
                ends = self._opened()
            if ends.writer.end - ends.reader.position + len(frame) > self._bytes_max:
                raise SpoolFullError(
                    f"spool: {self._count} events wait in {ends.sub.path}: raise spool_bytes"
                )
            ends.writer.write(frame)
            self._count += 1
            self.size_bytes += len(wire)
            if self._count >= self.bell.at_events or self.size_bytes >= self.bell.at_bytes:
                self.bell.ring()

    def take(self, events_max: int, bytes_max: int) -> Batch | None:
        """The oldest events."""
        ends = self._ends
        if ends is None:
            return None
        end = ends.writer.end
        batch = ends.reader.take(events_max, bytes_max, end)
        if batch is None:
            with self.lock:
                if ends.writer.end == end:  # what was counted and is not there cannot be waited for
                    self._count = self.size_bytes = 0
        return batch

    def settle(self, batch: Batch) -> None:
        """Move the position on."""
        ends = self._ends
        if ends is None:
            return
        ends.reader.settle(batch.end)  # this deletes files: no caller should wait for that
        with self.lock:
            # A Ctrl-C between write and count leaves these off by one; the places are right.
            rest = 1 if ends.reader.position < ends.writer.end else 0
            self._count = max(self._count - len(batch.wires), rest)
            self.size_bytes = max(self.size_bytes - batch.size_bytes, rest)

    def keep_refused(self, rejections: Sequence[Rejection]) -> None:
        """Write them down beside the spool."""
        self._folder.keep_refused(rejections)

    def mark(self) -> int:
        """The place after the event written last."""
        return 0 if self._ends is None else self._ends.writer.end

    def has_settled(self, mark: int) -> bool:
        """Whether everything before a place is settled."""
        return mark == 0 or self._ends is None or self._ends.reader.position >= mark

    def seal(self) -> None:
        """Write no more events."""
        with self.lock:
            self._is_sealed = True

    def close(self) -> None:
        """Remove the sub-spool, or leave it to whoever comes next if events wait in it."""
        with self.lock:
            self._is_sealed = True
            ends, self._ends = self._ends, None
        if ends is None:
            return
        ends.writer.close()
        ends.reader.close()
        try:
            if ends.reader.position >= ends.writer.end:
                self._folder.remove(ends.sub)
        except OSError as error:
            raise SpoolError(f"spool: cannot remove {ends.sub.path}: {error}") from error
        finally:
            ends.sub.lock.release()
