"""The hot tier: keys in memory, in shards that grow one at a time.

All shards live in one reservation of address space, a window each, of which only the blocks in use
are ever touched: growing a shard moves nothing but its own keys, a few milliseconds of work.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import numpy as np
import numpy.typing as npt

from core.intrinsics import Words
from streams.index.hot_kernels import (
    BASE,
    BLOCKS,
    HELD,
    NARROW,
    ROOM,
    SHARD_BITS,
    SLOTS,
    START,
    WIDE,
    Table,
    Times,
    count_live,
    drop_keys,
    hold_keys,
    judge_keys,
    read_entries,
    rebuild,
)

SHARDS: Final = 1 << SHARD_BITS
SHARD_SHIFT: Final = np.uint64(64 - SHARD_BITS)

_LOAD_MAX: Final = 0.885
_GROWTH: Final = 4.0
_GOLDEN: Final = 0.6180339887498949
_SPARE_WINDOWS: Final = 8
"""A shard that outgrows its window moves once into one so many times as large."""

_NARROW_MS: Final = 1 << 32
_REBASE_MS: Final = _NARROW_MS - (1 << 29)
_REBASE_SHARDS: Final = 4
_NARROW_HORIZON_MS: Final = 40 * 24 * 3600 * 1000
_WIDE_BASE: Final = -(1 << 46)
_ANCIENT: Final = -(1 << 62)
_NO_WORDS: Final = np.empty(0, np.uint64)
_NO_TIMES: Final = np.empty(0, np.int64)
_WORD: Final = 8
_HUGE: Final = 1 << 21
_PAGE_WORDS: Final = 512
_MADV_COLLAPSE: Final = 25  # of Linux 6.1; Python has no name for it
_NO_RESERVE: Final = 0x4000  # of Linux; Python names it from 3.13 on


class HotTier:
    """Keys with their content, and since when they are held.

    keys_max: how many keys it is meant to hold; there a key takes 31 bytes (2 more where the
    horizon is longer than 40 days). It holds more when it has to.
    """

    def __init__(self, horizon_ms: int, keys_max: int) -> None:
        self._horizon_ms = horizon_ms
        self._width = NARROW if horizon_ms <= _NARROW_HORIZON_MS else WIDE
        mean = max(1.0, keys_max / SHARDS)
        fullest = mean + 4 * mean**0.5  # the fullest of the shards, of keys at random
        self._blocks_full = int(fullest / _LOAD_MAX / SLOTS) + 1
        self._started = False
        self._latest_ms = _ANCIENT
        self._old = np.empty(0, np.uint64)
        self.clear()

    def __len__(self) -> int:
        """Keys held, expired ones among them until their shard is rebuilt."""
        return int(self._shards[HELD].sum())

    def clear(self) -> None:
        """Forget everything."""
        self._shards: Table = np.zeros((5, SHARDS), np.int64)
        self._shards[BLOCKS] = 1
        self._shards[ROOM] = _room(1)
        self._shards[BASE] = _WIDE_BASE
        self._started = False
        self._reserve(self._blocks_full * self._width)

    def judge(
        self,
        places: Words,
        lows: Words,
        contents: Words,
        times_ms: Times,
        eligible: npt.NDArray[np.bool_],
        cold: tuple[Words, Times] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Verdicts of events in log order; the keys of the accepted ones are held.

        cold: contents and times of the latest copy of each key that is held elsewhere.
        """
        cold_contents, cold_since = cold or (_NO_WORDS, _NO_TIMES)
        verdicts = np.empty(len(places), np.uint8)

        def step(start: int) -> int:
            return judge_keys(
                self._words, self._shards, self._width, places, lows, contents, times_ms,
                eligible, cold_contents, cold_since, self._horizon_ms, verdicts, start,
            )  # fmt: skip

        if len(places):
            # By the first time: what is held for any event of the batch must not be dropped.
            first_ms = int(times_ms[0])
            self._fit_times(first_ms, int(times_ms[-1]), first_ms - self._horizon_ms)
            self._run(step, places, times_ms)
        return verdicts

    def hold(self, places: Words, lows: Words, contents: Words, times_ms: Times) -> None:
        """Hold keys that were accepted before, in any order: of several copies the latest."""

        def step(start: int) -> int:
            return hold_keys(
                self._words, self._shards, self._width, places, lows, contents, times_ms, start
            )

        if len(places):
            self._fit_times(int(times_ms.min()), int(times_ms.max()), None)
            self._run(step, places, None)

    def drop(self, places: Words, lows: Words, times_ms: Times) -> int:
        """Forget keys where they are held since exactly these times; returns how many.

        Rebuilds every shard that the places fall in.
        """
        if not self._started:
            return 0
        dropped = drop_keys(self._words, self._shards, self._width, places, lows, times_ms)
        for shard in np.unique(places >> SHARD_SHIFT).tolist():
            blocks, base = int(self._shards[BLOCKS, shard]), int(self._shards[BASE, shard])
            self._rebuild(shard, blocks, base, _ANCIENT)
        return dropped

    def entries(self, shard: int) -> tuple[Words, Words, Words, Times]:
        """Places, low halves, contents and times of the keys of one shard, in no strict order."""
        held = int(self._shards[HELD, shard])
        places, lows, contents = (np.empty(held, np.uint64) for _ in range(3))
        times = np.empty(held, np.int64)
        read_entries(
            self._blocks_of(shard), self._width, shard, int(self._shards[BASE, shard]),
            places, lows, contents, times,
        )  # fmt: skip
        return places, lows, contents, times

    def _blocks_of(self, shard: int) -> Words:
        start = int(self._shards[START, shard])
        return self._words[start : start + int(self._shards[BLOCKS, shard]) * self._width]

    def _run(self, step: Callable[[int], int], places: Words, times_ms: Times | None) -> None:
        at = step(0)
        while at < len(places):
            live_from = _ANCIENT if times_ms is None else int(times_ms[at]) - self._horizon_ms
            self._make_room(int(places[at] >> SHARD_SHIFT), live_from)
            at = step(at)

    def _make_room(self, shard: int, live_from: int) -> None:
        """Drop what expired, and grow the shard unless that is room enough."""
        blocks, base = int(self._shards[BLOCKS, shard]), int(self._shards[BASE, shard])
        live = count_live(self._blocks_of(shard), self._width, base, live_from)
        while _room(blocks) < live + max(1, live // 16):
            blocks = self._next_size(shard, blocks)
        self._rebuild(shard, blocks, base, live_from)

    def _next_size(self, shard: int, blocks: int) -> int:
        """The next size of a shard; it grows at a point of its own, so that not all do at once."""
        full = self._blocks_full
        if blocks >= full:
            return blocks + max(1, blocks // 8)
        size = full / _GROWTH ** ((shard * _GOLDEN) % 1.0)
        while size / _GROWTH > blocks:
            size /= _GROWTH
        return full if size <= blocks else max(blocks + 1, int(size))

    def _rebuild(self, shard: int, blocks: int, new_base: int, live_from: int) -> None:
        start, size = int(self._shards[START, shard]), blocks * self._width
        if len(self._old) < len(self._blocks_of(shard)):
            self._old = np.empty(len(self._blocks_of(shard)), np.uint64)
        old = self._old[: len(self._blocks_of(shard))]
        old[:] = self._blocks_of(shard)
        if size > self._window * _SPARE_WINDOWS:
            self._move(size, self._width, None)
            start = int(self._shards[START, shard])
        elif size > self._window and start < SHARDS * self._window:
            start = (SHARDS + _SPARE_WINDOWS * shard) * self._window
        grows = blocks > int(self._shards[BLOCKS, shard])
        self._words[start : start + size] = 0
        self._shards[HELD, shard] = rebuild(
            self._words, start, self._width, old, self._width, shard, blocks,
            int(self._shards[BASE, shard]), new_base, live_from,
        )  # fmt: skip
        self._shards[BLOCKS, shard], self._shards[ROOM, shard] = blocks, _room(blocks)
        self._shards[BASE, shard], self._shards[START, shard] = new_base, start
        if grows and blocks == self._blocks_full:
            self._collapse(shard)

    def _collapse(self, shard: int) -> None:
        """Ask for huge pages where all shards that share them have their full size."""
        page_words = _HUGE // _WORD
        first, last = shard * self._window, (shard + 1) * self._window - 1
        for page in range(first // page_words, last // page_words + 1):
            lowest = page * page_words // self._window
            highest = ((page + 1) * page_words - 1) // self._window
            if highest >= SHARDS or self._shards[BLOCKS, lowest : highest + 1].min() < (
                self._blocks_full
            ):
                continue
            with suppress(OSError):  # an older kernel: smaller pages only cost time
                self._memory.madvise(_MADV_COLLAPSE, self._skipped + page * _HUGE, _HUGE)

    def _fit_times(self, first_ms: int, last_ms: int, live_from: int | None) -> None:
        """Move what shards count from so that all these times can be stored."""
        self._latest_ms = max(self._latest_ms, last_ms)
        bases, low = self._shards[BASE], first_ms - self._horizon_ms - 1
        if not self._started:
            self._started = True
            bases[:] = _WIDE_BASE if self._width == WIDE else low
        if self._width == WIDE:
            return
        late, early = last_ms - bases >= _NARROW_MS, bases >= first_ms
        if (late.any() and (live_from is None or last_ms - low >= _NARROW_MS)) or (
            early.any() and self._latest_ms - first_ms >= _NARROW_MS - 1
        ):
            self._widen()
            return
        for shard in np.flatnonzero(early).tolist():
            self._rebuild(shard, int(self._shards[BLOCKS, shard]), first_ms - 1, _ANCIENT)
        if live_from is None:
            return
        # A few at a time well before they must, so that no batch waits for all of them.
        soon = np.flatnonzero((last_ms - bases >= _REBASE_MS) & (bases < low))
        for shard in {*soon[:_REBASE_SHARDS].tolist(), *np.flatnonzero(late).tolist()}:
            self._rebuild(shard, int(self._shards[BLOCKS, shard]), low, live_from)

    def _widen(self) -> None:
        """Store times in 48 bits from now on: for horizons or clocks that 32 bits do not span."""
        self._move(self._blocks_full * WIDE, WIDE, _WIDE_BASE)

    def _move(self, window: int, width: int, base: int | None) -> None:
        """Move all shards into windows of so many words at least, with blocks of `width` words."""
        old_words, old_width, old_shards = self._words, self._width, self._shards.copy()
        largest = int(old_shards[BLOCKS].max()) * width
        self._reserve(max(window, -(-largest // _SPARE_WINDOWS)))
        self._width = width
        for shard in range(SHARDS):
            start, blocks = int(old_shards[START, shard]), int(old_shards[BLOCKS, shard])
            old_base = int(old_shards[BASE, shard])
            self._shards[BASE, shard] = old_base if base is None else base
            if blocks * width > self._window:
                self._shards[START, shard] = (SHARDS + _SPARE_WINDOWS * shard) * self._window
            rebuild(
                self._words, int(self._shards[START, shard]), width,
                old_words[start : start + blocks * old_width], old_width, shard, blocks,
                old_base, int(self._shards[BASE, shard]), _ANCIENT,
            )  # fmt: skip

    def _reserve(self, window: int) -> None:
        """Reserve cleared windows of so many words at least."""
        self._window = window = -(-window // _PAGE_WORDS) * _PAGE_WORDS
        size = SHARDS * (1 + _SPARE_WINDOWS) * window * _WORD + _HUGE
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
        self._memory = mmap.mmap(-1, size, flags=flags)
        whole = np.frombuffer(self._memory, np.uint64)
        self._skipped = -whole.ctypes.data % _HUGE
        self._words: Words = whole[self._skipped // _WORD :]
        self._shards[START] = np.arange(SHARDS) * window


def _room(blocks: int) -> int:
    return int(blocks * SLOTS * _LOAD_MAX)
