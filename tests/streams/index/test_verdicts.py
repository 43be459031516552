from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.index import ACCEPTED, CONFLICT, DUPLICATE, REJECTED, DedupeIndex

HORIZON = 50
events = st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 30), st.booleans())


def keys(numbers: list[int]) -> np.ndarray:
    """Keys that differ in one half only, so that both halves have to be compared."""
    return np.array([(number // 3, number % 3) for number in numbers], np.uint64).reshape(-1, 2)


@settings(max_examples=200)
@given(st.lists(events, max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_verdicts_equal_those_of_a_dict(
    made: list[tuple[int, int, int, bool]], cuts: list[int]
) -> None:
    times = np.cumsum([step for _, _, step, _ in made]).astype(np.int64)
    held: dict[int, tuple[int, int]] = {}
    expected = []
    for (key, content, _, fits), now in zip(made, times.tolist(), strict=True):
        if not fits:
            expected.append(REJECTED)
        elif key in held and held[key][0] >= now - HORIZON:
            expected.append(DUPLICATE if held[key][1] == content else CONFLICT)
        else:
            held[key] = (now, content)
            expected.append(ACCEPTED)
    index, found = DedupeIndex(HORIZON), []
    bounds = sorted({0, len(made), *(cut for cut in cuts if cut < len(made))})
    for start, end in pairwise(bounds):
        part = made[start:end]
        found += index.judge(
            keys([key for key, *_ in part]),
            np.array([content for _, content, *_ in part], np.uint64),
            times[start:end],
            np.array([fits for *_, fits in part], np.bool_),
        ).tolist()
    assert found == expected
    assert len(index) == len(held)


def test_growth_keeps_live_keys_and_drops_expired_ones() -> None:
    rng = np.random.default_rng(7)
    many = rng.integers(0, 2**63, (20_000, 2)).astype(np.uint64)
    content = np.arange(20_000, dtype=np.uint64)
    index = DedupeIndex(HORIZON)
    for start in range(0, 20_000, 1_000):
        part = slice(start, start + 1_000)
        index.hold(many[part], content[part], np.full(1_000, start // 100, np.int64))
    again = index.judge(many, content, np.full(20_000, 190, np.int64), np.ones(20_000, np.bool_))
    live = (np.arange(20_000) // 1_000 * 10) >= 190 - HORIZON
    assert (again == np.where(live, DUPLICATE, ACCEPTED)).all()


def test_growing_in_the_middle_of_a_batch_forgets_nothing_that_an_earlier_event_needs() -> None:
    """A copy at the edge of the horizon, then new keys just behind it, all judged together."""
    many = 10_000
    index = DedupeIndex(HORIZON)
    first = np.array([[7, 7]], np.uint64)
    index.hold(first, np.array([1], np.uint64), np.array([0], np.int64))
    fresh = np.arange(2 * many, dtype=np.uint64).reshape(-1, 2) + np.uint64(100)
    times = np.concatenate(([HORIZON], np.full(many, HORIZON + 1))).astype(np.int64)
    found = index.judge(
        np.concatenate((first, fresh)),
        np.ones(many + 1, np.uint64),
        times,
        np.ones(many + 1, np.bool_),
    )
    assert found[0] == DUPLICATE
    assert (found[1:] == ACCEPTED).all()
