"""The dedupe index of one partition: a hot tier in memory, a cold one on disk, and local files."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.errors import InternalError
from core.intrinsics import Words
from streams.index.cold import ColdTier
from streams.index.folder import Folder, remove
from streams.index.hot import HotTier
from streams.index.hot_kernels import Times, find_places
from streams.index.runs import PIECE_KEYS, open_run
from streams.index.segments import Binding, Chunk, SegmentWriter, read_segment
from streams.index.spilling import PASSES, spill_all, spill_segment

_LOG = logging.getLogger(__name__)

HOT_KEYS_MAX: Final = 16_000_000
"""Keys in memory unless a setting says otherwise: 500 MB."""

_SEGMENT_KEYS_MAX: Final = 1 << 24
_DAY_MS: Final = 24 * 3600 * 1000
_RETRY_SHARE: Final = 8
_ANCIENT: Final = -(1 << 62)

Keys = npt.NDArray[np.uint64]
_NOTHING: Final = (
    np.empty(0, np.int64), np.empty((0, 2), np.uint64), np.empty(0, np.uint64),
    np.empty(0, np.int64),
)  # fmt: skip


class DedupeIndex:
    """Keys held in one partition, judged in log order.

    A key is held from the log time at which it was accepted for `horizon_ms` milliseconds of log
    time; after that it is free again. Beyond `hot_keys_max` keys move from memory to disk, where a
    folder for local files is given. An index belongs to one thread at a time.
    """

    def __init__(
        self,
        horizon_ms: int,
        hot_keys_max: int = HOT_KEYS_MAX,
        folder: Folder | None = None,
        binding: Binding | None = None,
        seed: int | None = None,
    ) -> None:
        self._horizon_ms, self._hot_keys_max = horizon_ms, hot_keys_max
        self._seed = secrets.randbits(64) if seed is None else seed
        self._hot = HotTier(horizon_ms, hot_keys_max)
        self._cold = ColdTier(self._seed)
        self._folder = folder
        self._binding = binding or Binding("", 0, 0, 1, horizon_ms)
        self._segment_keys = max(1, min(hot_keys_max // 2, _SEGMENT_KEYS_MAX))
        self._segments: list[tuple[Path, int]] = []  # complete, the oldest first; newest key
        self._writer: SegmentWriter | None = None
        self._writer_day = 0
        self._noted: list[tuple[npt.NDArray[np.int64], Keys, Words, Times]] = []
        self._job: Generator[int, None, None] | None = None
        self._credit = self._pause = 0

    def __len__(self) -> int:
        """Keys in memory and on disk, those among them that expired or are in both."""
        return len(self._hot) + len(self._cold)

    def judge(
        self,
        keys: Keys,
        content: Words,
        log_times_ms: Times,
        eligible: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.uint8]:
        """Verdicts of n events in log order, and hold the keys of the accepted ones.

        keys: uint64 (n, 2), high half first; log_times_ms: int64 (n,), never falling; not eligible
        events are `REJECTED` and hold nothing. Raises `InternalError` when a file on disk is not
        what it was when it was opened.
        """
        if not len(keys):
            return np.empty(0, np.uint8)
        places, lows = self._places(keys)
        # By the first time: what is held for any event of the batch must not be forgotten.
        live_from = int(log_times_ms[0]) - self._horizon_ms
        self._expire(live_from)
        cold = self._cold.look_up(places, lows, eligible, live_from)
        verdicts = self._hot.judge(places, lows, content, log_times_ms, eligible, cold)
        self._work(len(keys))
        return verdicts

    def hold(self, keys: Keys, content: Words, log_times_ms: Times) -> None:
        """Hold keys that were accepted before, in any order: of several copies the latest.

        Keys of other generations, too; what does not fit in memory goes to files without a name,
        which end with the process.
        """
        if self._folder is not None and len(self._hot) + len(keys) > self._hot_keys_max:
            self._work(PASSES * len(keys))
            if len(self._hot) + len(keys) > self._hot_keys_max and len(self._hot):
                try:
                    spill_all(
                        self._folder.path, self._binding.digest(), self._seed, self._hot, self._cold
                    )
                except OSError as error:
                    _LOG.warning("keys stay in memory, for the disk takes no more: %s", error)
        self._hot.hold(*self._places(keys), content, log_times_ms)
        self._work(len(keys))

    def note(
        self, runs: npt.NDArray[np.int64], keys: Keys, content: Words, log_times_ms: Times
    ) -> None:
        """Keys that are held and acknowledged, each with its chunk, in log order."""
        if self._folder is not None:
            self._noted.append((runs, keys, content, log_times_ms))

    def prove(self, end_run: int, accepted_by_run: Mapping[int, int]) -> None:
        """Chunks before `end_run` are complete, acknowledged and noted: keep them in local files.

        accepted_by_run: the ledger's accepted events of each such chunk that is not kept yet. A
        disk that takes no more costs the next start a query, nothing else.
        """
        if self._folder is None:
            return
        runs, keys, content, times_ms = (
            np.concatenate(parts) for parts in zip(_NOTHING, *self._noted, strict=True)
        )
        for run in sorted(run for run in accepted_by_run if run < end_run):
            first, end = np.searchsorted(runs, (run, run + 1)).tolist()
            if end - first > accepted_by_run[run]:
                raise InternalError(f"chunk {run}: more keys were noted than events accepted")
            self._keep(
                Chunk(
                    run, accepted_by_run[run], keys[first:end], content[first:end],
                    times_ms[first:end],
                )
            )  # fmt: skip
        rest = int(np.searchsorted(runs, end_run))
        self._noted = [(runs[rest:], keys[rest:], content[rest:], times_ms[rest:])]
        self._work(0)

    def restore(self, proved: pl.DataFrame) -> int:
        """Hold what local files prove of these chunks; returns the first chunk they do not.

        proved: run, accepted of the complete chunks within the horizon, consecutive, from the
        ledger. Files that are torn, changed, of another log or other than the ledger are deleted.
        """
        accepted = dict(proved.select("run", "accepted").rows())
        at = min(accepted, default=0)
        for path in self._folder.files() if self._folder is not None else ():
            if path.suffix == ".run":
                at = self._restore_run(path, accepted, at)
            else:
                at = self._restore_segment(path, accepted, at)
        return at

    def close(self) -> None:
        """Let go of all files, for the next owner."""
        if self._job is not None:
            self._job.close()
            self._job = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._cold.close()
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _places(self, keys: Keys) -> tuple[Words, Words]:
        places, lows = np.empty(len(keys), np.uint64), np.empty(len(keys), np.uint64)
        find_places(keys, np.uint64(self._seed), places, lows)
        return places, lows

    def _keep(self, chunk: Chunk) -> None:
        """Append a chunk to the current segment, or to a new one where that is full or of a day."""
        assert self._folder is not None
        day = int(chunk.times_ms[-1]) // _DAY_MS if len(chunk.times_ms) else self._writer_day
        if self._writer is not None and (
            self._writer.end_run != chunk.run
            or self._writer.keys >= self._segment_keys
            or (self._writer.keys and day != self._writer_day)
        ):
            self._end_segment()
        try:
            if self._writer is None:
                self._writer = SegmentWriter(self._folder.path, self._binding, chunk.run)
            self._writer.add(chunk)
            self._writer_day = day
        except OSError as error:
            _LOG.warning("chunk %d is not kept in local files: %s", chunk.run, error)
            self._end_segment()

    def _expire(self, live_from: int) -> None:
        """Delete files of which everything is since before `live_from`."""
        self._cold.expire(live_from)
        while self._job is None and self._segments and self._segments[0][1] < live_from:
            remove(self._segments.pop(0)[0])

    def _end_segment(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        if self._writer.keys:
            self._segments.append((self._writer.path, self._writer.newest_ms))
        self._writer = None

    def _work(self, keys: int) -> None:
        """Go on with moving keys to disk, in proportion to the keys that came."""
        if self._job is None:
            spare = self._segment_keys // 2
            self._pause = max(0, self._pause - keys)
            full = len(self._hot) > max(1, self._hot_keys_max - spare)
            if self._folder is None or self._pause or not full:
                return
            if not self._segments:
                self._end_segment()
            if not self._segments:
                return
            self._credit = min(0, self._credit)
            self._job = spill_segment(
                self._segments[0][0], self._binding, self._seed, self._hot, self._cold
            )
        pieces = -(-self._segment_keys // PIECE_KEYS)
        self._credit += 2 * (PASSES + pieces) * keys
        try:
            while self._job is not None and self._credit > 0:
                self._credit -= next(self._job)
        except StopIteration:
            self._job = None
            self._segments.pop(0)
        except OSError as error:
            _LOG.warning("keys stay in memory, for the disk takes no more: %s", error)
            self._job, self._pause = None, self._segment_keys // _RETRY_SHARE

    def _restore_run(self, path: Path, accepted: dict[int, int], at: int) -> int:
        assert self._folder is not None
        run = open_run(path, self._binding.digest())
        if run is not None:
            chunks = dict(run.head.chunks.tolist())
            first, end = min(chunks, default=0), max(chunks, default=-1) + 1
            known = all(
                chunk < min(accepted, default=0) or accepted.get(chunk) == count
                for chunk, count in chunks.items()
            )
            if accepted and known and first <= at < end and len(chunks) == end - first:
                self._cold.add(run, path)
                remove(path.with_suffix(".segment"))
                return end
            run.close()
        remove(path)
        return at

    def _restore_segment(self, path: Path, accepted: dict[int, int], at: int) -> int:
        first, before = min(accepted, default=0), at
        good, newest_ms = 0, _ANCIENT
        for chunk in read_segment(path, self._binding):
            known = chunk.run < first or accepted.get(chunk.run) == chunk.accepted
            if chunk.run > at or not known:
                break
            if chunk.run == at:
                self.hold(chunk.keys, chunk.contents, chunk.times_ms)
                at += 1
            good, newest_ms = chunk.end_byte, max(newest_ms, chunk.newest_ms)
        if at == before:
            remove(path)
            return at
        try:
            if path.stat().st_size > good:
                os.truncate(path, good)
        except OSError:  # what is not believed must not become a run
            return at
        if newest_ms > _ANCIENT:
            self._segments.append((path, newest_ms))
        return at
