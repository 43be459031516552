"""The tier in memory: growth in small steps, times that move their base, collisions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest

from streams.index import Binding, DedupeIndex, Folder
from streams.index.hot import HotTier
from streams.index.hot_kernels import NARROW, WIDE, find_places
from tests.streams.index.log_of_keys import ACCEPTED, CONFLICT, DUPLICATE, Event, Oracle

DAY_MS = 24 * 3600 * 1000
SEED = 7
PAUSE_SECONDS_MAX = 0.2


def random_keys(many: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, (many, 2), dtype=np.uint64)


def colliding_keys(many: int) -> np.ndarray:
    """Keys that all have one place, so that only their low half tells them apart."""
    keys = np.zeros((many, 2), np.uint64)
    keys[:, 1] = np.arange(many)
    places, lows = np.empty(many, np.uint64), np.empty(many, np.uint64)
    find_places(keys, np.uint64(SEED), places, lows)
    keys[:, 0] = np.uint64(2**63 + 12345) - places
    return keys


def judged(index: DedupeIndex, keys: np.ndarray, content: int, time_ms: int) -> list[int]:
    many = len(keys)
    found = index.judge(
        keys, np.full(many, content, np.uint64), np.full(many, time_ms, np.int64),
        np.ones(many, np.bool_),
    )  # fmt: skip
    return [int(code) for code in found]


@pytest.mark.parametrize("hot_keys_max", [1, 100, 3_000])
def test_keys_of_one_place_are_told_apart_however_many_there_are(hot_keys_max: int) -> None:
    index, keys = DedupeIndex(1_000, hot_keys_max, seed=SEED), colliding_keys(3_000)
    for start in range(0, 3_000, 500):
        assert set(judged(index, keys[start : start + 500], 1, 5)) == {ACCEPTED}
    assert set(judged(index, keys, 1, 1_005)) == {DUPLICATE}
    assert set(judged(index, keys, 2, 1_005)) == {CONFLICT}
    assert set(judged(index, keys, 2, 1_006)) == {ACCEPTED}
    assert len(index) == 3_000


def test_equal_low_halves_are_told_apart() -> None:
    keys = np.zeros((5_000, 2), np.uint64)
    keys[:, 0] = np.arange(5_000, dtype=np.uint64) * np.uint64(2**40 + 1)
    index = DedupeIndex(1_000, 5_000, seed=SEED)
    assert set(judged(index, keys, 1, 5)) == {ACCEPTED}
    assert set(judged(index, keys, 1, 5)) == {DUPLICATE}


@pytest.mark.timed
def test_no_batch_waits_long_while_a_million_keys_come_in() -> None:
    """CPU seconds of this process, so that a busy machine does not fail it."""
    index, batch = DedupeIndex(DAY_MS, 1_500_000, seed=SEED), 1 << 15
    judged(index, random_keys(batch), 1, 1)  # loads the compiled loops
    process, longest = psutil.Process(), 0.0
    for number in range(1_500_000 // batch):
        keys = random_keys(batch, number + 2)
        began = sum(process.cpu_times()[:2])
        judged(index, keys, 1, 2)
        longest = max(longest, sum(process.cpu_times()[:2]) - began)
    assert longest < PAUSE_SECONDS_MAX


def test_a_shard_grows_by_itself() -> None:
    """No batch of a steady stream rebuilds more than a few of the 512 shards."""
    tier, batch = HotTier(DAY_MS, 1_000_000), 4_096
    sizes, most = tier._shards[0].copy(), 0
    for number in range(200):
        keys = random_keys(batch, number)
        tier.hold(keys[:, 0].copy(), keys[:, 1].copy(), keys[:, 1].copy(), np.ones(batch, np.int64))
        if number > 100:
            most = max(most, int((tier._shards[0] != sizes).sum()))
        sizes = tier._shards[0].copy()
    assert most < 64


def test_the_log_goes_on_for_a_year_with_a_horizon_of_days() -> None:
    horizon_ms = 9 * DAY_MS
    index, oracle = DedupeIndex(horizon_ms, 4_000, seed=SEED), Oracle(horizon_ms)
    rng = np.random.default_rng(3)
    now_ms, keys = 10, random_keys(300)
    while now_ms < 365 * DAY_MS:
        now_ms += int(rng.choice([1, 1_000, DAY_MS, 8 * DAY_MS, horizon_ms, 30 * DAY_MS]))
        asked = rng.integers(0, 300, 50)
        contents = rng.integers(0, 2, 50)
        expected = [
            oracle.judge(Event(0, tuple(keys[key].tolist()), int(content), now_ms, True))
            for key, content in zip(asked, contents, strict=True)
        ]
        found = index.judge(
            keys[asked], contents.astype(np.uint64), np.full(50, now_ms, np.int64),
            np.ones(50, np.bool_),
        )  # fmt: skip
        assert found.tolist() == expected
    assert index._hot._width == NARROW


@pytest.mark.parametrize("horizon_days", [35, 60])
def test_times_far_apart_are_kept_exactly(horizon_days: int) -> None:
    """Keys of another generation may be older or newer than 32 bits of milliseconds span."""
    horizon_ms, keys = horizon_days * DAY_MS, random_keys(40)
    index = DedupeIndex(horizon_ms, 100, seed=SEED)
    times = np.array([0, 70 * DAY_MS, 3 * DAY_MS, 130 * DAY_MS], np.int64).repeat(10)
    content = np.ones(40, np.uint64)
    for start in range(0, 40, 10):
        part = slice(start, start + 10)
        index.hold(keys[part], content[part], times[part])
    assert index._hot._width == WIDE
    for start in (0, 20, 10, 30):
        edge = int(times[start]) + horizon_ms
        assert set(judged(index, keys[start : start + 5], 1, edge)) == {DUPLICATE}
        assert set(judged(index, keys[start + 5 : start + 10], 1, edge + 1)) == {ACCEPTED}


@pytest.mark.parametrize("many", [470_000, 495_000])
def test_times_get_wider_in_a_table_far_over_its_size(many: int) -> None:
    """Its largest shards lie in the room of eight, and need more than that afterwards."""
    index, keys = DedupeIndex(35 * DAY_MS, 1, seed=SEED), random_keys(many)
    assert set(judged(index, keys, 1, DAY_MS)) == {ACCEPTED}
    far = index.judge(
        random_keys(2, 2), np.ones(2, np.uint64), np.array([DAY_MS, 21 * DAY_MS]),
        np.ones(2, np.bool_),
    )  # fmt: skip
    assert set(far.tolist()) == {ACCEPTED}
    assert index._hot._width == WIDE
    assert set(judged(index, keys, 1, 21 * DAY_MS)) == {DUPLICATE}
    assert len(index) == many + 2


def test_expired_keys_make_room_instead_of_growth() -> None:
    index = DedupeIndex(1_000, 20_000, seed=SEED)
    for number in range(30):
        assert set(judged(index, random_keys(10_000, number), 1, 1_001 * number)) == {ACCEPTED}
    assert len(index) <= 40_000


def test_the_later_of_two_copies_counts_also_when_it_is_on_disk(tmp_path: Path) -> None:
    """Keys of older generations are held before those of this one, and may go to disk first."""
    keys, folder = random_keys(40), Folder(tmp_path)
    index = DedupeIndex(1_000, 20, folder, Binding("id", 1, 0, 2, 1_000), SEED)
    for content, time_ms in ((1, 1_015), (2, 1_000)):
        for start in (0, 20):
            some = keys[start : start + 20]
            index.hold(some, np.full(20, content, np.uint64), np.full(20, time_ms, np.int64))
    assert len(index._cold) > 0
    assert set(judged(index, keys, 1, 1_016)) == {DUPLICATE}
    assert set(judged(index, keys, 2, 2_015)) == {CONFLICT}
    assert set(judged(index, keys, 2, 2_016)) == {ACCEPTED}
    index.close()
