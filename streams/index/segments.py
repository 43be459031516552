"""Segments: the keys of complete chunks in log order, as they were proved, in append-only files.

A file begins with a header that says which log it belongs to. Each block after it holds the keys of
one chunk and a checksum over all of it. Files are never forced to disk: one that is lost or torn
costs a query, and is noticed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from core.intrinsics import Words
from streams.index.hot_kernels import Times

_HEAD: Final = Struct("<8s16s")
_MAGIC: Final = b"TBKEYS01"
_BLOCK: Final = Struct("<4sIIIQQ8x")  # magic, keys, distinct times, 0, run, accepted
_BLOCK_MAGIC: Final = b"BLCK"
_CHECKSUM: Final = Struct("<Q")
_ANCIENT: Final = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Binding:
    """The one partition of one log that files belong to."""

    topic_id: str
    generation: int
    partition: int
    chunk_records: int
    horizon_ms: int

    def digest(self) -> bytes:
        """16 bytes that stand in every file."""
        text = repr((
            self.topic_id, self.generation, self.partition, self.chunk_records, self.horizon_ms,
        ))  # fmt: skip
        return xxhash.xxh3_128_digest(text.encode())


class Chunk(NamedTuple):
    """The keys of one complete chunk in log order; `accepted` events, voids among them.

    end_byte: where its block ends, of one that was read.
    """

    run: int
    accepted: int
    keys: npt.NDArray[np.uint64]
    contents: Words
    times_ms: Times
    end_byte: int = 0

    @property
    def newest_ms(self) -> int:
        """Since when the last of the keys is held."""
        return int(self.times_ms[-1]) if len(self.times_ms) else _ANCIENT


class SegmentWriter:
    """Appends chunks to a new file. Any failure to write leaves whole blocks only."""

    def __init__(self, folder: Path, binding: Binding, first_run: int) -> None:
        self.path = folder / f"{first_run:020d}.segment"
        self.end_run, self.keys, self.newest_ms = first_run, 0, _ANCIENT
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._append(_HEAD.pack(_MAGIC, binding.digest()))
        except OSError:
            self.close()
            self.path.unlink()
            raise

    def add(self, chunk: Chunk) -> None:
        """Append the next chunk. Raises `OSError`; then the file is as it was before."""
        self._append(encode(chunk))
        self.end_run, self.keys = chunk.run + 1, self.keys + len(chunk.keys)
        self.newest_ms = max(self.newest_ms, chunk.newest_ms)

    def close(self) -> None:
        """No more chunks."""
        os.close(self._file)

    def _append(self, data: bytes) -> None:
        end, view = os.lseek(self._file, 0, os.SEEK_CUR), memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            with suppress(OSError):  # what stays is torn, and its checksum says so
                os.ftruncate(self._file, end)
                os.lseek(self._file, end, os.SEEK_SET)
            raise


def encode(chunk: Chunk) -> bytes:
    """A block: header, times (each once, and how many keys have it), keys, contents, checksum."""
    starts = np.flatnonzero(np.diff(chunk.times_ms, prepend=chunk.times_ms[:1] - 1))
    repeats = np.diff(starts, append=len(chunk.times_ms)).astype(np.uint32)
    head = _BLOCK.pack(_BLOCK_MAGIC, len(chunk.keys), len(starts), 0, chunk.run, chunk.accepted)
    data = b"".join((
        head, chunk.times_ms[starts].tobytes(), repeats.tobytes(), chunk.keys.tobytes(),
        chunk.contents.tobytes(),
    ))  # fmt: skip
    return data + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(data))


def read_segment(path: Path, binding: Binding) -> Iterator[Chunk]:
    """The chunks of a file up to the first that is not whole; none of a file of another log."""
    try:
        with path.open("rb") as file:
            if file.read(_HEAD.size) != _HEAD.pack(_MAGIC, binding.digest()):
                return
            while (chunk := _read_block(file, os.fstat(file.fileno()).st_size)) is not None:
                yield chunk
    except OSError:
        return


def _read_block(file: BinaryIO, size: int) -> Chunk | None:
    head = file.read(_BLOCK.size)
    if len(head) < _BLOCK.size:
        return None
    magic, keys, times, _, run, accepted = _BLOCK.unpack(head)
    length = 12 * times + 24 * keys
    if magic != _BLOCK_MAGIC or times > keys or length + _CHECKSUM.size > size - file.tell():
        return None
    data = file.read(length)
    checksum = xxhash.xxh3_64(head)
    checksum.update(data)
    if file.read(_CHECKSUM.size) != _CHECKSUM.pack(checksum.intdigest()):
        return None
    starts = np.frombuffer(data, np.int64, times)
    repeats = np.frombuffer(data, np.uint32, times, 8 * times)
    words = np.frombuffer(memoryview(data)[12 * times :], np.uint64)
    return Chunk(
        run, accepted, words[: 2 * keys].reshape(-1, 2), words[2 * keys :],
        np.repeat(starts, repeats), file.tell(),
    )  # fmt: skip
