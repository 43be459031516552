"""The read end of a sub-spool: whole frames from the settled position on."""

from __future__ import annotations

import logging
import os
import struct
import threading
from zlib import crc32

from tollbook.queues import Batch
from tollbook.spool.folder import SpoolFolder, SubSpool
from tollbook.spool.frames import FRAME_BYTES_MAX, HEAD_BYTES, find, is_torn, scan

_USUAL_BYTES = 400
_POSITION = struct.Struct("<QI")
_log = logging.getLogger("tollbook")


class SpoolReader:
    """Reads what a writer, dead or alive, has written, and deletes what is settled.

    Attributes:
        position: Everything before this place is settled.
    """

    def __init__(self, folder: SpoolFolder, sub: SubSpool, bases: list[int]) -> None:
        self._folder, self._sub, self._bases = folder, sub, bases
        self.position = _read_position(sub)
        self._damaged: set[int] = set()
        self._position_file: int | None = None
        self._is_closed = False
        self._settling = threading.Lock()  # a closed file's number may soon be another file's

    def take(self, events_max: int, bytes_max: int, end: int | None = None) -> Batch | None:
        """The oldest frames of one segment; `end` where the writer is alive and has come so far."""
        while self._bases:
            base, after = self._first_two()
            try:
                stop = self._stop(base, after, end)
                batch = self._read(base, stop, events_max, bytes_max)
            except FileNotFoundError as error:
                _log.error("spool: events are lost: %s", error)
                stop, batch = after or end or base, None
            if batch is not None:
                return batch
            self.position = max(self.position, stop)
            if after is None and end is not None:
                return None  # its writer goes on here
            self._drop_first()
        return None

    def _read(self, base: int, stop: int, events_max: int, bytes_max: int) -> Batch | None:
        """The first frames after the position in one segment, up to `stop`."""
        start = max(self.position, base)
        while start < stop:
            data = self._pread(base, start, min(stop, start + _window(bytes_max, events_max)))
            found = scan(data, events_max, bytes_max)
            if found.wires:
                return Batch(found.wires, start + found.end, found.size_bytes)
            start = self._skip(base, start, stop)
        return None

    def settle(self, end: int) -> None:
        """Everything before `end` has its verdict. Does nothing once closed: others read here."""
        with self._settling:
            if not self._is_closed:
                self.position = end
                self._write_position()
                while len(self._bases) > 1 and self._bases[1] <= end:
                    self._drop_first()

    def _write_position(self) -> None:
        try:
            if self._position_file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
                self._position_file = os.open(self._sub.position, flags, 0o600)
            os.pwrite(self._position_file, _position_of(self.position), 0)
        except (
            OSError
        ) as error:  # a full disk: after a crash, events are sent again and not counted
            _log.warning("spool: the position was not written: %s", error)

    def close(self) -> None:
        """Close the position."""
        with self._settling:
            self._is_closed = True
            if self._position_file is not None:
                os.close(self._position_file)
                self._position_file = None

    def _first_two(self) -> tuple[int, int | None]:
        """Read once: a living writer may begin a segment at any moment."""
        bases = self._bases[:2]
        return bases[0], bases[1] if len(bases) > 1 else None

    def _stop(self, base: int, after: int | None, end: int | None) -> int:
        """Where the first segment ends."""
        if after is not None:
            return after
        return base + self._sub.segment(base).stat().st_size if end is None else end

    def _pread(self, base: int, start: int, stop: int) -> bytes:
        with self._sub.segment(base).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), stop - start, start - base)

    def _skip(self, base: int, start: int, stop: int) -> int:
        """What stands at `start` is no whole frame: the place of the next one, or the end."""
        data = self._pread(base, start, stop)
        place = find(data, 1)
        if place is None and is_torn(data):
            return stop  # its writer died while it wrote: that `record` has never returned
        skipped = len(data) if place is None else place
        _log.error("spool: %d bytes at %d of %s cannot be read", skipped, start, self._sub.path)
        self._damaged.add(base)
        return stop if place is None else start + place

    def _drop_first(self) -> None:
        """Delete the first segment; one with damage is set aside."""
        base = self._bases[0]
        try:
            if base in self._damaged:
                _log.error("spool: see %s", self._folder.keep_damaged(self._sub, base))
            else:
                self._sub.segment(base).unlink()
        except FileNotFoundError:
            pass  # someone cleaned up
        self._bases.pop(0)


def _window(bytes_max: int, events_max: int) -> int:
    """How much to read: a batch of the usual events, and the longest frame in any case."""
    return max(min(bytes_max, events_max * _USUAL_BYTES) + HEAD_BYTES, FRAME_BYTES_MAX)


def _position_of(place: int) -> bytes:
    return _POSITION.pack(place, crc32(place.to_bytes(8, "little")))


def _read_position(sub: SubSpool) -> int:
    """What was settled; 0 where nothing readable says so: events are sent again, not lost."""
    try:
        data = sub.position.read_bytes()
    except OSError:
        return 0
    place = int.from_bytes(data[:8], "little")
    return place if data == _position_of(place) else 0
