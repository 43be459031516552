from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from tests.rating import event_oracle
from tests.rating.builders import exact_amounts, price
from tests.rating.events import Event, rate_events, values
from tests.rating.prices.drawing import AMOUNTS, BOUNDS, SHARES, text
from tests.rating.prices.event_contract import EventModelContract

TIERS = [{"up_to": "100", "bps": "100"}, {"up_to": "300", "bps": "50", "cap": "0.4"}, {"bps": "10"}]


@st.composite
def _tiers(draw: st.DrawFn) -> dict[str, Any]:
    tiers = []
    for bound in [*sorted(draw(st.sets(BOUNDS, max_size=4))), None]:
        tier = {"bps": draw(SHARES)}
        if bound is not None:
            tier["up_to"] = text(bound)
        if draw(st.booleans()):
            tier["cap"] = draw(AMOUNTS)
        tiers.append(tier)
    by = draw(st.sampled_from([{}, {"by": "part"}, {"by": "total"}]))
    return {"tiers": tiers} | by


class TestBasisPoints(EventModelContract):
    name = "basis_points"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"bps": "25", "cap": "0.5"},
        {"tiers": TIERS},
        {"tiers": TIERS, "by": "total"},
    ]
    parameters = st.one_of(
        st.fixed_dictionaries({"bps": SHARES}, optional={"cap": AMOUNTS}), _tiers()
    )
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, "bps: missing"),
        ({"bps": "0.123456789"}, "bps: has more than 8 decimals"),
        ({"bps": "1", "by": "total"}, "by: unknown parameter"),
        ({"bps": "1", "tiers": [{"bps": "1"}]}, "bps: stands in each tier"),
        ({"tiers": [{"bps": "1"}], "by": "whole"}, "by: use one of part, total"),
        ({"tiers": [{"cap": "1"}]}, r"tiers\[0\].bps: missing"),
        ({"tiers": [{"bps": "1", "up_to": "5"}]}, r"tiers\[0\].up_to: the last tier must be open"),
        (
            {"tiers": [{"bps": "1", "up_to": "5"}, {"bps": "1", "up_to": "5"}, {"bps": "1"}]},
            r"tiers\[1\].up_to: must be above",
        ),
    ]

    def costs(self, events: Sequence[Event], parameters: dict[str, Any]) -> list[Fraction]:
        return event_oracle.basis_points([event.units for event in events], parameters)

    def carried(self, parameters: dict[str, Any]) -> bool:
        return parameters.get("by") != "total"


def test_the_cap_holds_for_each_event() -> None:
    one = price("basis_points", {"bps": "25", "cap": "25"})
    # 12.5, 25, and 50 within the cap of 25
    assert exact_amounts(rate_events([one], [values("5000", "10000", "20000")])) == [
        Fraction("62.5")
    ]


def test_an_event_that_crosses_bounds_is_parted_there() -> None:
    rated = rate_events([price("basis_points", {"tiers": TIERS})], [values("90", "310")])
    # 90 and 10 at 1 %; 200 at 0.5 % are 1, capped at 0.4; 100 at 0.1 %
    assert exact_amounts(rated) == [Fraction("1.5")]
