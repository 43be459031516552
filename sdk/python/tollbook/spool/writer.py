"""The write end of a sub-spool: one frame after the other, in segments."""

from __future__ import annotations

import errno
import io
import os

from tollbook.errors import SpoolError, SpoolFullError
from tollbook.spool.folder import SubSpool

SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment that has grown to this is followed by the next."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SpoolWriter:
    """Writes each frame at its place, so that one that failed half-way is written over.

    Attributes:
        end: The place after the last frame; everything before it is with the operating system.
        bases: The segments made, by where they begin.
    """

    def __init__(self, sub: SubSpool, *, fsync: bool) -> None:
        self.end = 0
        self.bases: list[int] = []
        self._sub, self._fsync = sub, fsync
        self._file: io.FileIO | None = None
        self._descriptor = -1
        self._base = 0

    def write(self, frame: bytes) -> None:
        """Raises `SpoolFullError` or `SpoolError`; nothing is recorded then."""
        try:
            at = self.end - self._base
            if self._file is None or at >= SEGMENT_BYTES:
                self._begin_segment()
                at = 0
            written = os.pwrite(self._descriptor, frame, at)
            while written < len(frame):  # room for a part of it: the rest says why
                written += os.pwrite(self._descriptor, frame[written:], at + written)
            if self._fsync:
                os.fdatasync(self._descriptor)
        except OSError as error:
            self._cut()
            kind = SpoolFullError if error.errno in _FULL else SpoolError
            raise kind(f"spool: cannot write to {self._sub.path}: {error.strerror}") from error
        self.end += len(frame)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin_segment(self) -> None:
        descriptor = os.open(
            self._sub.segment(self.end), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self.close()
        self._file = io.FileIO(descriptor, "wb")
        self._descriptor, self._base = descriptor, self.end
        if not self.bases or self.bases[-1] != self.end:
            self.bases.append(self.end)
        if self._fsync:
            folder = os.open(self._sub.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _cut(self) -> None:
        """Give back the room that a part of a frame took; the next frame goes there anyway."""
        if self._file is not None:
            try:
                os.ftruncate(self._descriptor, self.end - self._base)
            except OSError:
                return
