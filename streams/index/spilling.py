"""Moving keys from memory to disk in bounded steps, between one batch and the next.

Each generator does one step until it yields: a million keys counted, placed, written or dropped, a
few dozen milliseconds. What it yields is the number of keys that the step went through.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from core.intrinsics import Words
from streams.index.cold import ColdTier
from streams.index.hot import SHARDS, HotTier
from streams.index.hot_kernels import Times, find_places
from streams.index.runs import PIECE_KEYS, Run, RunWriter, shape_of
from streams.index.segments import Binding, Chunk, read_segment

PASSES: Final = 4
"""Times that each key is handled besides once for each piece of its run."""


class Source(NamedTuple):
    """Some keys of a run to be."""

    places: Words
    lows: Words
    contents: Words
    times_ms: Times


def spill_segment(
    segment: Path, binding: Binding, seed: int, hot: HotTier, cold: ColdTier
) -> Generator[int, None, None]:
    """Make a run of a segment, ask it instead, forget its keys in memory, delete the segment.

    Raises `OSError` when the disk is full; then nothing has changed.
    """
    chunks, times = [], [np.empty(0, np.int64)]
    keys = 0
    for chunk in read_segment(segment, binding):
        chunks.append((chunk.run, chunk.accepted))
        times.append(np.unique(chunk.times_ms))
        keys += len(chunk.keys)
        yield len(chunk.keys)
    times_ms = np.unique(np.concatenate(times))
    writer = RunWriter(segment.with_suffix(".run"), seed, shape_of(keys, len(times_ms)), times_ms)
    try:
        for source in _of_segment(segment, binding, seed):
            writer.count(source.places)
            yield len(source.places)
        pieces = writer.begin(binding.digest(), np.array(chunks, np.int64).reshape(-1, 2))
        for first, end in pieces:
            writer.open_piece(first, end)
            for source in _of_segment(segment, binding, seed):
                numbers = np.searchsorted(times_ms, source.times_ms).astype(np.uint32)
                writer.place(source.places, source.lows, source.contents, numbers)
                yield len(source.places)
            yield writer.close_piece()
        run = writer.finish(keep=True)
    except BaseException:
        writer.abandon()
        raise
    cold.add(run, segment.with_suffix(".run"))
    segment.unlink(missing_ok=True)
    yield from _drop(run, hot)


def _of_segment(segment: Path, binding: Binding, seed: int) -> Iterator[Source]:
    """The keys of a segment, a piece at a time."""
    waiting: list[Chunk] = []
    keys = 0
    for chunk in read_segment(segment, binding):
        waiting.append(chunk)
        keys += len(chunk.keys)
        if keys >= PIECE_KEYS:
            yield _joined(waiting, seed)
            waiting, keys = [], 0
    if waiting:
        yield _joined(waiting, seed)


def _joined(chunks: Iterable[Chunk], seed: int) -> Source:
    chunks = list(chunks)
    keys = np.concatenate([chunk.keys for chunk in chunks])
    places, lows = np.empty(len(keys), np.uint64), np.empty(len(keys), np.uint64)
    find_places(keys, np.uint64(seed), places, lows)
    return Source(
        places, lows, np.concatenate([chunk.contents for chunk in chunks]),
        np.concatenate([chunk.times_ms for chunk in chunks]),
    )  # fmt: skip


def _drop(run: Run, hot: HotTier) -> Iterator[int]:
    """Forget in memory what a run holds, some shards at a time."""
    shards_of_step = 16
    starts = run.head.starts
    buckets = len(starts) - 1
    per_step = max(1, buckets * shards_of_step // SHARDS)
    for first, end in pairwise([*range(0, buckets, per_step), buckets]):
        places, lows, since = run.keys_of_piece(first, end)
        hot.drop(places, lows, since)
        yield max(1, len(places))


def spill_all(folder: Path, digest: bytes, seed: int, hot: HotTier, cold: ColdTier) -> None:
    """Make a run without a name of everything in memory, and forget it there.

    For keys that no segment holds. Raises `OSError` when the disk is full; then nothing has
    changed.
    """
    times_ms = np.empty(0, np.int64)
    for shard in range(SHARDS):
        times_ms = np.union1d(times_ms, hot.entries(shard)[3])
    shape = shape_of(len(hot), len(times_ms))
    writer = RunWriter(folder / "held.run", seed, shape, times_ms)
    try:
        for shard in range(SHARDS):
            writer.count(hot.entries(shard)[0])
        shift = np.uint64(64 - shape.bits)
        for first, end in writer.begin(digest, np.empty((0, 2), np.int64)):
            writer.open_piece(first, end)
            for shard in range(SHARDS):
                places, lows, contents, since = hot.entries(shard)
                if not len(places):
                    continue
                if shape.bits and not (
                    int(places.min() >> shift) < end and int(places.max() >> shift) >= first
                ):
                    continue
                numbers = np.searchsorted(times_ms, since).astype(np.uint32)
                writer.place(places, lows, contents, numbers)
            writer.close_piece()
        run = writer.finish(keep=False)
    except BaseException:
        writer.abandon()
        raise
    cold.add(run, None)
    hot.clear()
