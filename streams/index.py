"""The dedupe index: which keys are held, since when, with which content. Exact, in flat arrays.

Open addressing with linear probing over four parallel arrays (32 bytes a slot): the two halves of
the key, the content hash, and the log time in milliseconds when the key was accepted (`_EMPTY`:
free).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.compiled import compiled

ACCEPTED: Final = 0
DUPLICATE: Final = 1
CONFLICT: Final = 2
REJECTED: Final = 3

_EMPTY: Final = -1
_FILL_MAX: Final = 0.6
_SLOTS_MIN: Final = 1 << 12

Halves = npt.NDArray[np.uint64]
Times = npt.NDArray[np.int64]


class DedupeIndex:
    """Keys held in one partition, judged in log order.

    A key is held from the log time at which it was accepted for `horizon_ms` milliseconds of log
    time; after that it is free again.
    """

    def __init__(self, horizon_ms: int, expected: int = 0) -> None:
        self._horizon_ms = horizon_ms
        self._held = 0
        self._allocate(expected)

    def __len__(self) -> int:
        """Slots in use, expired keys among them until the next growth."""
        return self._held

    def judge(
        self,
        keys: npt.NDArray[np.uint64],
        content: Halves,
        log_times_ms: Times,
        eligible: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.uint8]:
        """Verdicts of n events in log order, and hold the keys of the accepted ones.

        keys: uint64 (n, 2), high half first; log_times_ms: int64 (n,), never falling; not eligible
        events are `REJECTED` and hold nothing.
        """
        # By the first time: what is still held for any event of the batch must not be dropped.
        self._make_room(len(keys), int(log_times_ms[0]) if len(keys) else 0)
        verdicts = np.empty(len(keys), np.uint8)
        self._held += _judge(
            self._high, self._low, self._content, self._since,
            np.ascontiguousarray(keys[:, 0]), np.ascontiguousarray(keys[:, 1]),
            content, log_times_ms, eligible, self._horizon_ms, verdicts,
        )  # fmt: skip
        return verdicts

    def hold(self, keys: npt.NDArray[np.uint64], content: Halves, log_times_ms: Times) -> None:
        """Hold n keys that were accepted before, in log order: a later copy replaces an earlier."""
        self._make_room(len(keys), int(log_times_ms[0]) if len(keys) else 0)
        self._held += _fill(
            self._high, self._low, self._content, self._since,
            np.ascontiguousarray(keys[:, 0]), np.ascontiguousarray(keys[:, 1]),
            content, log_times_ms,
        )  # fmt: skip

    def _allocate(self, expected: int) -> None:
        slots = _SLOTS_MIN
        while slots * _FILL_MAX < expected:
            slots *= 2
        self._high, self._low = np.zeros(slots, np.uint64), np.zeros(slots, np.uint64)
        self._content, self._since = np.zeros(slots, np.uint64), np.full(slots, _EMPTY, np.int64)

    def _make_room(self, more: int, now_ms: int) -> None:
        if self._held + more <= len(self._since) * _FILL_MAX:
            return
        live = self._since >= max(0, now_ms - self._horizon_ms)
        old = self._high[live], self._low[live], self._content[live], self._since[live]
        self._held = len(old[0])
        self._allocate(2 * (self._held + more))
        _fill(self._high, self._low, self._content, self._since, *old)


@compiled
def _slot_of(high: Halves, low: Halves, since: Times, h: np.uint64, k: np.uint64) -> int:
    """The slot that holds the key, or the free slot where it belongs."""
    mask = len(since) - 1
    at = int(k ^ (h >> np.uint64(17))) & mask
    while since[at] != _EMPTY and (high[at] != h or low[at] != k):
        at = (at + 1) & mask
    return at


@compiled
def _judge(
    high: Halves, low: Halves, content: Halves, since: Times,
    highs: Halves, lows: Halves, contents: Halves, times: Times,
    eligible: npt.NDArray[np.bool_], horizon_ms: int, verdicts: npt.NDArray[np.uint8],
) -> int:  # fmt: skip
    """Judge in order; returns how many free slots were taken."""
    taken = 0
    for i in range(len(highs)):
        if not eligible[i]:
            verdicts[i] = REJECTED
            continue
        at = _slot_of(high, low, since, highs[i], lows[i])
        held = since[at]
        if held != _EMPTY and held >= times[i] - horizon_ms:
            verdicts[i] = DUPLICATE if content[at] == contents[i] else CONFLICT
            continue
        verdicts[i] = ACCEPTED
        taken += held == _EMPTY
        high[at], low[at], content[at], since[at] = highs[i], lows[i], contents[i], times[i]
    return taken


@compiled
def _fill(
    high: Halves, low: Halves, content: Halves, since: Times,
    highs: Halves, lows: Halves, contents: Halves, times: Times,
) -> int:  # fmt: skip
    """Hold in order; returns how many free slots were taken."""
    taken = 0
    for i in range(len(highs)):
        at = _slot_of(high, low, since, highs[i], lows[i])
        taken += since[at] == _EMPTY
        high[at], low[at], content[at], since[at] = highs[i], lows[i], contents[i], times[i]
    return taken
