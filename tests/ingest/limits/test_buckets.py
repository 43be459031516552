"""Token buckets: exact, whatever the order of the clock's ticks and of the requests."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from core.rate_limits import PARTS, RATE_MAX, Rate
from ingest.limits.buckets import spent_after, wait_ns

_RATES = st.builds(Rate, st.integers(1, 50), st.integers(1, 50)) | st.builds(
    Rate, st.integers(1, RATE_MAX), st.integers(1, RATE_MAX)
)
_PAUSES = st.integers(0, 3 * PARTS) | st.integers(0, 40)


@st.composite
def _requests(draw: st.DrawFn) -> tuple[Rate, list[tuple[int, int]]]:
    """A rate, and requests: nanoseconds since the one before, tokens up to a burst."""
    rate = draw(_RATES)
    sizes = st.integers(1, rate.burst) | st.integers(1, min(3, rate.burst))
    return rate, draw(st.lists(st.tuples(_PAUSES, sizes), max_size=30))


def _run(rate: Rate, requests: list[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """When each came, its size, and whether it was admitted."""
    spent = at = now = 0
    found = []
    for pause, tokens in requests:
        now += pause
        spent, at = spent_after(spent, now - at, rate.per_second), now
        admitted = wait_ns(spent, tokens, *rate) == 0
        spent += tokens * PARTS if admitted else 0
        found.append((now, tokens, admitted))
    return found


@given(_requests())
def test_no_window_admits_more_than_a_burst_and_its_own_gain(
    drawn: tuple[Rate, list[tuple[int, int]]],
) -> None:
    rate, requests = drawn
    admitted = [(at, tokens) for at, tokens, good in _run(rate, requests) if good]
    for first, (began, _) in enumerate(admitted):
        total = 0
        for at, tokens in admitted[first:]:
            total += tokens
            assert total <= rate.burst + Fraction((at - began) * rate.per_second, PARTS)


@given(_requests())
def test_a_bucket_is_the_exact_one_and_nothing_is_refused_that_fits(
    drawn: tuple[Rate, list[tuple[int, int]]],
) -> None:
    rate, requests = drawn
    level, before = Fraction(rate.burst), 0
    for at, tokens, good in _run(rate, requests):
        gained = Fraction((at - before) * rate.per_second, PARTS)
        level, before = min(Fraction(rate.burst), level + gained), at
        assert good == (tokens <= level)
        level -= tokens if good else 0


@given(_requests())
def test_refused_requests_cost_nothing(drawn: tuple[Rate, list[tuple[int, int]]]) -> None:
    rate, requests = drawn
    with_all = _run(rate, requests)
    alone: list[tuple[int, int]] = []
    before = 0
    for at, tokens, good in with_all:
        if good:
            alone.append((at - before, tokens))
            before = at
    assert all(good for _, _, good in _run(rate, alone))


@given(_RATES, st.data())
def test_the_wait_is_enough_and_not_a_nanosecond_too_long(rate: Rate, data: st.DataObject) -> None:
    spent = data.draw(st.integers(0, RATE_MAX * PARTS))  # a limit may have been lowered
    tokens = data.draw(st.integers(1, rate.burst))
    wait = wait_ns(spent, tokens, *rate)
    over = spent + tokens * PARTS - rate.burst * PARTS
    assert wait == max(0, -(-over // rate.per_second))
    assert wait_ns(spent_after(spent, wait, rate.per_second), tokens, *rate) == 0
    if wait:
        assert wait_ns(spent_after(spent, wait - 1, rate.per_second), tokens, *rate) > 0


@given(st.integers(0, RATE_MAX * PARTS), st.integers(0, 2**62), st.integers(1, RATE_MAX))
def test_what_is_gained_is_exact_at_the_ends_of_64_bits(
    spent: int, elapsed_ns: int, per_second: int
) -> None:
    assert spent_after(spent, elapsed_ns, per_second) == max(0, spent - elapsed_ns * per_second)


def test_a_clock_that_steps_back_gains_nothing() -> None:
    assert spent_after(5, -100, 1) == 5
