"""Cold runs: immutable files of keys ordered by bucket, behind filters in memory.

A run is read whole when it is opened, against its checksum, and its filter is made from what was
read. Each bucket that is read later must still have the sum it had then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from core.errors import InternalError
from core.intrinsics import Words
from streams.index.hot_kernels import Times
from streams.index.run_kernels import (
    Counts,
    ask_filter,
    confirm,
    count_buckets,
    index_rows,
    place_rows,
    read_rows,
)

PIECE_KEYS: Final = 1 << 20
"""About how many keys one step of building or reading a run handles."""

_HEAD: Final = Struct("<8s16sQQQQQIBBxx")
_MAGIC: Final = b"TBRUN001"
_CHECKSUM: Final = Struct("<Q")
_BUCKET_KEYS: Final = 32
_FILTER_BITS: Final = 14.0
_LINE_BITS: Final = 512
_LINE_WORDS: Final = 8
_ASK_KEYS: Final = 4096
_DROPPED_MAX: Final = 2
_CHANGED: Final = "the keys changed while a run was made of them"


class Shape(NamedTuple):
    """How rows are laid out: bits of a bucket, bytes it implies, bytes of a time."""

    bits: int
    dropped: int
    time_bytes: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return 24 - self.dropped + self.time_bytes


def shape_of(keys: int, times: int) -> Shape:
    """The layout of a run with so many keys, since so many different times."""
    bits = max(0, (keys // _BUCKET_KEYS).bit_length() - 1)
    time_bytes = 2 + (times > 1 << 16) + (times > 1 << 24)
    return Shape(bits, min(_DROPPED_MAX, bits // 8), time_bytes)


@dataclass(frozen=True, slots=True)
class RunHead:
    """What stands before the rows. chunks: run, accepted (n, 2) of the chunks in it, if any."""

    seed: int
    shape: Shape
    chunks: npt.NDArray[np.int64]
    times_ms: Times
    starts: Counts

    @property
    def keys(self) -> int:
        """Number of keys."""
        return int(self.starts[-1])

    def encode(self, digest: bytes) -> bytes:
        """The bytes of it, without a checksum."""
        fixed = _HEAD.pack(
            _MAGIC, digest, self.seed, self.keys, len(self.chunks), len(self.times_ms), 0,
            self.shape.bits, self.shape.dropped, self.shape.time_bytes,
        )  # fmt: skip
        return b"".join((
            fixed, self.chunks.tobytes(), self.times_ms.tobytes(), self.starts.tobytes(),
        ))  # fmt: skip


class Run:
    """An open run: its file, and in memory its filter, where buckets start, and their sums."""

    def __init__(self, file: int, offset: int, head: RunHead) -> None:
        self._file, self._offset, self.head = file, offset, head
        lines = max(1, int(head.keys * _FILTER_BITS / _LINE_BITS))
        self._filter = np.zeros(lines * _LINE_WORDS, np.uint64)
        self._sums = np.zeros(max(1, len(head.starts) - 1), np.uint32)
        self.newest_ms = int(head.times_ms.max()) if len(head.times_ms) else -(1 << 62)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    @property
    def resident_bytes(self) -> int:
        """Memory that the run takes while it is open."""
        return int(self._filter.nbytes + self._sums.nbytes + self.head.starts.nbytes)

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Consecutive ranges of buckets, each about `PIECE_KEYS` keys."""
        return pieces_of(self.head.starts)

    def index_piece(self, first: int, end: int, rows: npt.NDArray[np.uint8]) -> None:
        """Add rows just written or read to the filter and the sums."""
        index_rows(rows, first, end, self.head.starts, *self.head.shape, self._filter, self._sums)

    def read_piece(self, first: int, end: int) -> npt.NDArray[np.uint8]:
        """The rows of the buckets from first to end. Raises `OSError` when the file is shorter."""
        size = self.head.shape.row_bytes
        at, stop = int(self.head.starts[first]) * size, int(self.head.starts[end]) * size
        rows = np.empty(stop - at, np.uint8)
        _read_into(self._file, self._offset + at, rows)
        return rows

    def keys_of_piece(self, first: int, end: int) -> tuple[Words, Words, Times]:
        """Places, low halves and times of the keys of these buckets."""
        starts = self.head.starts
        many = int(starts[end]) - int(starts[first])
        places, lows = np.empty(many, np.uint64), np.empty(many, np.uint64)
        since = np.empty(many, np.int64)
        read_rows(
            self.read_piece(first, end), first, end, starts, *self.head.shape,
            self.head.times_ms, places, lows, since,
        )  # fmt: skip
        return places, lows, since

    def look_up(
        self,
        places: Words,
        lows: Words,
        asked: npt.NDArray[np.bool_],
        contents: Words,
        since_ms: Times,
    ) -> None:
        """Put content and time of the keys it holds in place, where the time is later.

        Raises `InternalError` when the file is not what it was when it was opened.
        """
        maybe = np.empty(len(places), np.int64)
        many = ask_filter(self._filter, places, lows, asked, maybe)
        for at in range(0, many, _ASK_KEYS):
            self._confirm(places, lows, maybe[at : min(at + _ASK_KEYS, many)], contents, since_ms)

    def _confirm(
        self,
        places: Words,
        lows: Words,
        asked: npt.NDArray[np.int64],
        contents: Words,
        since_ms: Times,
    ) -> None:
        shape, starts = self.head.shape, self.head.starts
        if shape.bits:
            buckets = (places[asked] >> np.uint64(64 - shape.bits)).astype(np.int64)
        else:
            buckets = np.zeros(len(asked), np.int64)
        sizes = (starts[buckets + 1] - starts[buckets]).astype(np.int64) * shape.row_bytes
        read_at = np.cumsum(sizes) - sizes
        rows = np.empty(int(sizes.sum()), np.uint8)
        offsets = self._offset + starts[buckets].astype(np.int64) * shape.row_bytes
        try:
            for to, size, offset in zip(
                read_at.tolist(), sizes.tolist(), offsets.tolist(), strict=True
            ):
                if size:
                    _read_into(self._file, offset, rows[to : to + size])
        except OSError as error:
            raise InternalError(f"a cold run of the dedupe index is unreadable: {error}") from error
        wrong = confirm(
            rows, read_at, starts, *shape, self._sums, self.head.times_ms, places, lows, asked,
            contents, since_ms,
        )  # fmt: skip
        if wrong >= 0:
            raise InternalError(
                "a cold run of the dedupe index changed on disk while it was in use; a restart"
                " finds out which, and loads its keys from ClickHouse"
            )


def pieces_of(starts: Counts) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of buckets, each about `PIECE_KEYS` keys, in all of them."""
    wanted = np.arange(PIECE_KEYS, int(starts[-1]), PIECE_KEYS)
    bounds = [0, *np.searchsorted(starts, wanted).tolist(), len(starts) - 1]
    for first, end in pairwise(bounds):
        if end > first:
            yield first, end


def open_run(path: Path, digest: bytes) -> Run | None:
    """Open a run and read all of it; None when it is torn, changed or of another log."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        run = _checked(file, digest)
    except OSError:
        run = None
    if run is None:
        os.close(file)
    return run


def _checked(file: int, digest: bytes) -> Run | None:
    size = os.fstat(file).st_size
    fixed = os.pread(file, _HEAD.size, 0)
    if len(fixed) < _HEAD.size:
        return None
    magic, found, seed, keys, chunks, times, _, bits, dropped, time_bytes = _HEAD.unpack(fixed)
    length = 16 * chunks + 8 * times + 4 * ((1 << min(bits, 63)) + 1)
    rows = keys * (24 - dropped + time_bytes)
    if (magic, found) != (_MAGIC, digest) or (
        size != _HEAD.size + length + _CHECKSUM.size + rows + _CHECKSUM.size
    ):
        return None
    data = np.empty(length, np.uint8)
    _read_into(file, _HEAD.size, data)
    checksum = xxhash.xxh3_64(fixed)
    checksum.update(data.data)
    if os.pread(file, 8, _HEAD.size + length) != _CHECKSUM.pack(checksum.intdigest()):
        return None
    head = RunHead(
        seed, Shape(bits, dropped, time_bytes), data[: 16 * chunks].view(np.int64).reshape(-1, 2),
        data[16 * chunks : 16 * chunks + 8 * times].view(np.int64),
        data[16 * chunks + 8 * times :].view(np.uint32),
    )  # fmt: skip
    run = Run(file, _HEAD.size + length + _CHECKSUM.size, head)
    checksum = xxhash.xxh3_64()
    for first, end in run.pieces():
        piece = run.read_piece(first, end)
        checksum.update(piece.data)
        run.index_piece(first, end, piece)
    if os.pread(file, 8, size - _CHECKSUM.size) != _CHECKSUM.pack(checksum.intdigest()):
        return None
    return run


def _read_into(file: int, offset: int, to: npt.NDArray[np.uint8]) -> None:
    view = to.data
    while view:
        many = os.preadv(file, [view], offset)
        if not many:
            raise OSError("the file ends early")
        view, offset = view[many:], offset + many


class RunWriter:
    """Writes a run from keys that come in several passes; a new file until it is whole.

    First every key is counted (`count`), then for each of `pieces` every key is shown again
    (`place`): those of the piece are taken. `finish` gives the run, open.
    """

    def __init__(self, path: Path, seed: int, shape: Shape, times_ms: Times) -> None:
        self._path, self._temporary = path, path.with_suffix(".tmp")
        self._seed, self._shape, self._times_ms = seed, shape, times_ms
        self._counts = np.zeros((1 << shape.bits) + 1, np.uint32)
        self._rows = np.empty(0, np.uint8)
        self._checksum = xxhash.xxh3_64()
        self._file = -1
        self._run: Run | None = None

    def count(self, places: Words) -> None:
        """Count keys."""
        count_buckets(places, self._shape.bits, self._counts[1:])

    def begin(self, digest: bytes, chunks: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """All keys are counted: write the head, and give the pieces. Raises `OSError`."""
        starts = np.cumsum(self._counts, dtype=np.uint32)
        self._cursors = starts[:-1].copy()
        head = RunHead(self._seed, self._shape, chunks, self._times_ms, starts)
        data = head.encode(digest)
        self._file = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        data += _CHECKSUM.pack(xxhash.xxh3_64_intdigest(data))
        self._write(memoryview(data))
        self._run = Run(self._file, len(data), head)
        return self._run.pieces()

    def open_piece(self, first: int, end: int) -> None:
        """Take the keys of the buckets from first to end from now on."""
        assert self._run is not None
        self._piece, starts = (first, end), self._run.head.starts
        many = int(starts[end]) - int(starts[first])
        self._rows = np.empty(many * self._shape.row_bytes, np.uint8)

    def place(
        self, places: Words, lows: Words, contents: Words, times: npt.NDArray[np.uint32]
    ) -> None:
        """Take those of the keys that belong to the piece; times by their number.

        Raises `OSError` when they are not the keys that were counted.
        """
        assert self._run is not None
        whole = place_rows(
            self._rows, *self._piece, self._run.head.starts, self._cursors, *self._shape, places,
            lows, contents, times,
        )  # fmt: skip
        if not whole:
            raise OSError(_CHANGED)

    def close_piece(self) -> int:
        """Write the piece; returns how many keys it has. Raises `OSError`."""
        assert self._run is not None
        first, end = self._piece
        if (self._cursors[first:end] != self._run.head.starts[first + 1 : end + 1]).any():
            raise OSError(_CHANGED)
        self._checksum.update(self._rows.data)
        self._run.index_piece(first, end, self._rows)
        self._write(self._rows.data)
        return len(self._rows) // self._shape.row_bytes

    def finish(self, *, keep: bool) -> Run:
        """The run, open; its file has its name now, or none unless it is to be kept."""
        assert self._run is not None
        self._write(memoryview(_CHECKSUM.pack(self._checksum.intdigest())))
        if keep:
            self._temporary.rename(self._path)
        else:
            self._temporary.unlink()
        return self._run

    def abandon(self) -> None:
        """Give up: nothing of it stays."""
        if self._file >= 0:
            os.close(self._file)
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def _write(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._file, view) :]
