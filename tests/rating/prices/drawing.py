"""Strategies for quantities and parameters, as far apart as they may be and where it is tight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from tests.rating.builders import group_text, quantity_of

GROUPS = [group_text([each]) for each in ("eu", "us", 'a "quoted" ä')]

QUANTITIES = st.one_of(
    st.integers(1 - 10**38, 10**38 - 1),
    st.integers(-(10**27), 10**27),  # up to 10^15
    st.integers(-(10**9), 10**9).map(lambda units: units * 10**12),
    st.integers(-(10**6), 10**6),  # down to 10^-12
    st.sampled_from([0, 1, -1, 10**12]),
).map(quantity_of)


def text(scaled: int) -> str:
    return f"{quantity_of(scaled):f}"


AMOUNTS = st.one_of(
    st.integers(0, 10**27 - 1),
    st.integers(0, 2_000).map(lambda halves: halves * 5 * 10**9),  # halves of a cent
    st.integers(0, 10**6),
    st.integers(0, 1_000).map(lambda units: units * 10**12),
).map(text)

SHARES = st.one_of(
    st.integers(0, 100).map(str),
    st.integers(0, 10**6).map(lambda scaled: text(scaled * 10**4)),  # the least of basis points
    st.integers(0, 10**4).map(lambda scaled: text(scaled * 10**10)),
    st.integers(0, 10**23 - 1).map(lambda scaled: text(scaled * 10**4)),
)
"""Rates in percent or basis points."""

SIZES = st.one_of(
    st.integers(1, 1_000).map(lambda units: units * 10**12),
    st.integers(10**12, 10**27),
).map(text)

BOUNDS = st.one_of(
    st.integers(1, 1_000).map(lambda units: units * 10**12),
    st.integers(1, 10**9),
    st.integers(1, 10**30),
    st.integers(1, 10**38 - 1),
)


@st.composite
def tier_lists(draw: st.DrawFn, *fields: str, size: bool = False) -> dict[str, Any]:
    """`tiers` with some of the fields each, one at least."""
    bounds = sorted(draw(st.sets(BOUNDS, max_size=5)))
    tiers = []
    for bound in [*bounds, None]:
        wanted = draw(st.sets(st.sampled_from(fields), min_size=1))
        tier: dict[str, Any] = {name: draw(AMOUNTS) for name in sorted(wanted)}
        if bound is not None:
            tier["up_to"] = text(bound)
        if size:
            tier["size"] = draw(SIZES)
        tiers.append(tier)
    return {"tiers": tiers}


def near(parameters: Mapping[str, Any]) -> st.SearchStrategy[Decimal]:
    """A number that the price names, its mirror, and the quantities right beside them."""
    named = sorted({int(Fraction(each) * 10**12) for each in _numbers(parameters)})
    return st.tuples(
        st.sampled_from([each for each in named if each < 10**38 - 1] or [0]),
        st.sampled_from([-1, 0, 1]),
        st.sampled_from([1, -1]),
    ).map(lambda drawn: quantity_of(drawn[2] * (drawn[0] + drawn[1])))


def _numbers(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, str) and value.replace(".", "", 1).isdigit():
        yield value
