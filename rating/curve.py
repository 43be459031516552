"""What a price costs over the quantity used: exact points, and every jump where it is.

A price over single events is drawn over the value of one event, which also carries it as amount. A
percentage of lines is drawn over what they bill, as if that were a quantity of any size.

The engine itself is asked, many quantities at once, and asked again between those where the cost is
not on a straight line. So any model is drawn with all that stands around it. A break is looked for
at the roundest number that is near, just before and just after it: bounds are round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final

import polars as pl

from rating.engine import rate_period
from rating.errors import PriceParameterError
from rating.exact import LIMB
from rating.explain import plain
from rating.frames import GROUPED_EVENTS, GROUPED_USAGE, INSTANT_DTYPE, LINES
from rating.prices import Price, model_named
from rating.prices.reading import group_text
from rating.tables import NO_PERIOD
from rating.tiers import OPEN

LINES_MAX: Final = 6
"""Most curves of one price: one per cell or unit that it lists."""

_FIRST: Final = 96
"""Stretches of equal length at the beginning."""

_DAY_SECONDS: Final = 86_400
_HALVINGS: Final = 5
_DOUBLINGS: Final = 12
_PROBES: Final = (Fraction(1, 2), Fraction(2, 7))
"""Where between two quantities the cost is compared with a straight line."""


@dataclass(frozen=True, slots=True)
class Point:
    """A quantity and what it costs, in currency units."""

    quantity: Fraction
    cost: Fraction


@dataclass(frozen=True, slots=True)
class Jump:
    """A cost that changes at once, just after a quantity, which costs `before`, or just at it."""

    quantity: Fraction
    before: Fraction
    at: Fraction
    """What the quantity itself costs: one of the other two."""
    after: Fraction


@dataclass(frozen=True, slots=True)
class Curve:
    """Straight pieces from jump to jump, of one group of usage."""

    label: str
    """Values of the group; empty where usage is one quantity."""
    pieces: tuple[tuple[Point, ...], ...]
    jumps: tuple[Jump, ...]


def cost_curves(price: Price, up_to: Decimal | None = None) -> list[Curve]:
    """The curves from 0 to a quantity: one, or one for each group that has a price of its own.

    Raises `PriceParameterError` for a quantity that is too small.
    """
    end = interesting_quantity(price) if up_to is None else up_to
    units = int(Fraction(end) * LIMB)
    if units < _FIRST:
        raise PriceParameterError("to", f"give a quantity above 0, at least {_FIRST} x 10^-12")
    return [_curve(_Costs(price, group), label, units) for label, group in _groups(price)]


def interesting_quantity(price: Price) -> Decimal:
    """A round quantity beyond the last bound of the price, or some packages, or 100."""
    model = model_named(price.model)
    terms = model.terms(price.parameters)
    tiers = [tier for run in terms.runs for tier in run.tiers]
    bounds = [tier.up_to for tier in tiers if tier.up_to < OPEN]
    if terms.banded is not None:
        bounds += terms.banded.bounds()
        bounds += [_DAY_SECONDS * LIMB] * bool(terms.banded.cuts)
    sizes = [4 * tier.size for tier in tiers]
    quantity = Fraction(max([0, *bounds, *sizes]), LIMB)
    around = price.adjustments
    for name in ("free_units", "free_units_per_group", "usage_discount"):
        quantity += Fraction(around.get(name) or 0)
    if "unit_conversion" in around:
        quantity *= Fraction(around["unit_conversion"]["per"])
    wanted = quantity * Fraction(5, 4) or Fraction(100)
    said = [Fraction(around[name]) for name in ("minimum", "maximum") if around.get(name)]
    if said:
        costs = _Costs(price, _groups(price)[0][1])
        quantities = [int(wanted * LIMB * 2**at) for at in range(_DOUBLINGS)]
        reached = (each for each in quantities if costs([each])[0] >= max(said))
        wanted = Fraction(next(reached, quantities[0]), LIMB) * Fraction(5, 4)
    return round_up(wanted)


def round_up(quantity: Fraction) -> Decimal:
    """The next number that is short: 1, 1.2, 1.5, 2, 2.5, … times a power of ten."""
    power = Decimal(1)
    while Fraction(power) * 10 < quantity:
        power *= 10
    while Fraction(power) > quantity:
        power /= 10
    tenths = (10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100)
    rounds = (Decimal(each) * power / 10 for each in tenths)
    return next(each for each in rounds if Fraction(each) >= quantity)


def _groups(price: Price) -> list[tuple[str, str]]:
    """Label and group of each curve."""
    terms = model_named(price.model).terms(price.parameters)
    if not terms.group_by:
        return [("", "")]
    some = terms.groups[0] if terms.groups else group_text(["…"] * len(terms.group_by))
    found = [(run.group or some, run.group is None) for run in terms.runs[:LINES_MAX]]
    alone = len(terms.runs) == 1
    return [
        ("" if alone and other else "others" if other else _label(group), group)
        for group, other in found
    ]


def _label(group: str) -> str:
    return group.strip("[]").replace('"', "").replace(",", ", ")


class _Costs:
    """What quantities of one group cost, in units of 10^-12, kept: each is asked for once."""

    def __init__(self, price: Price, group: str) -> None:
        terms = model_named(price.model).terms(price.parameters)
        if terms.lines:  # what lines bill is in whole minor units, a line that is drawn is not
            unit_amount = plain(Decimal(terms.runs[0].tiers[0].unit_amount) / LIMB)
            price = replace(price, model="per_unit", parameters={"amount": unit_amount})
        self._price, self._group = price, group
        names = terms.group_by
        self._group_by = group_text(names) if names else ""
        self._known: dict[int, Fraction] = {}

    def __call__(self, wanted: Sequence[int]) -> list[Fraction]:
        missing = sorted(set(wanted) - self._known.keys())
        if missing:
            self._known.update(zip(missing, self._rated(missing), strict=True))
        return [self._known[each] for each in wanted]

    def _rated(self, units: list[int]) -> list[Fraction]:
        price = self._price
        metered = model_named(price.model).metered
        keys = {
            "subscription_id": pl.Series([f"{each}" for each in units], dtype=pl.String),
            "period_start": pl.repeat(NO_PERIOD, len(units), dtype=INSTANT_DTYPE, eager=True),
            "meter_id": pl.repeat(
                price.price_id if metered else None, len(units), dtype=pl.String, eager=True
            ),
        }
        lines = pl.DataFrame(keys).with_columns(
            line_key=pl.lit(""), price_id=pl.lit(price.price_id)
        )
        texts = pl.Series([str(each) for each in units], dtype=pl.String)
        quantity = texts.cast(pl.Int128).reinterpret(dtype=GROUPED_USAGE["quantity"])
        told = {"group_by": pl.lit(self._group_by), "group": pl.lit(self._group)}
        usage = pl.DataFrame(keys).with_columns(
            quantity=quantity,
            event_count=pl.lit(0, pl.Int64),
            unmeterable_count=pl.lit(0, pl.Int64),
            **told,
        )
        wanted, events = lines.select(LINES.names()), None
        if model_named(price.model).over_events:
            single = pl.DataFrame(keys).with_columns(
                time="period_start",
                event_id=pl.lit(""),
                value=quantity,
                amount=quantity,
                zone=pl.lit(None, pl.String),
                **told,
            )
            usage, events = usage.clear(), single.select(GROUPED_EVENTS.names())
        rated = rate_period(wanted, usage if metered else usage.clear(), [price], events)
        minor = 10**price.currency.minor_digits
        rows = rated.select(
            "amount_whole", "amount_fraction", "amount_rest", "amount_minor", "true_up_minor"
        ).rows()
        return [
            Fraction(rounded + up, minor) if up else whole + Fraction(part) + Fraction(rest)
            for whole, part, rest, rounded, up in rows
        ]


def _curve(costs: _Costs, label: str, end: int) -> Curve:
    breaks, known = _refined(costs, end)
    jumps: dict[int, Jump] = {}
    places = [_roundest(*each) for each in breaks]
    known.update(places)
    beside = [max(0, min(at + step, end)) for at in places for step in (-1, 0, 1)]
    costs([*beside, *known])  # all at once: a question costs more than a number
    for at, (left, right) in zip(places, breaks, strict=True):
        before, here, after = (costs([max(0, min(each, end))])[0] for each in (at - 1, at, at + 1))
        change = costs([right])[0] - costs([left])[0]
        if change and abs(after - before) * 2 > abs(change):
            belongs_left = abs(after - here) > abs(here - before)
            before, after = (here, after) if belongs_left else (before, here)
            jumps[at] = Jump(Fraction(at, LIMB), before, here, after)
    return Curve(label, _pieces(costs, sorted(known), jumps), tuple(jumps.values()))


def _refined(costs: _Costs, end: int) -> tuple[list[tuple[int, int]], set[int]]:
    """Short stretches with a break inside, and all quantities that are worth a point."""
    marks = [end * at // _FIRST for at in range(_FIRST + 1)]
    stretches = list(pairwise(marks))
    known = set(marks)
    for _ in range(_HALVINGS):
        probes = [_probes(*each) for each in stretches]
        costs([each for some in probes for each in some])
        bent = [each for each in stretches if not _straight(costs, *each)]
        halves = [(left + right) // 2 for left, right in bent]
        stretches = [
            half
            for (left, right), middle in zip(bent, halves, strict=True)
            for half in ((left, middle), (middle, right))
            if half[0] < half[1]
        ]
        known.update(halves)
    probes = [_probes(*each) for each in stretches]
    costs([each for some in probes for each in some])
    return [each for each in stretches if not _straight(costs, *each)], known


def _probes(left: int, right: int) -> list[int]:
    return [left, right, *(left + int((right - left) * each) for each in _PROBES)]


def _straight(costs: _Costs, left: int, right: int) -> bool:
    first, last = costs([left, right])
    slope = (last - first) / (right - left)
    inside = _probes(left, right)[2:]
    return all(
        cost == first + slope * (at - left) for at, cost in zip(inside, costs(inside), strict=True)
    )


def _roundest(left: int, right: int) -> int:
    """The number of the fewest digits from `left` up to `right`."""
    if not left:
        return 0
    power = 1
    while -(-left // (power * 10)) * power * 10 <= right:
        power *= 10
    return -(-left // power) * power


def _pieces(
    costs: _Costs, known: Sequence[int], jumps: dict[int, Jump]
) -> tuple[tuple[Point, ...], ...]:
    pieces: list[list[Point]] = [[]]
    for at in known:
        if at in jumps:
            jump = jumps[at]
            left, right = (at, at + 1) if jump.at == jump.before else (at - 1, at)
            if at:
                pieces[-1].append(Point(Fraction(left, LIMB), jump.before))
            pieces.append([Point(Fraction(right, LIMB), jump.after)])
        else:
            pieces[-1].append(Point(Fraction(at, LIMB), costs([at])[0]))
    return tuple(_without_middles(piece) for piece in pieces if piece)


def _without_middles(piece: Sequence[Point]) -> tuple[Point, ...]:
    """The corners alone."""
    kept = list(piece[:1])
    for point, following in zip(piece[1:], [*piece[2:], None], strict=True):
        if following is None or _slope(kept[-1], point) != _slope(point, following):
            kept.append(point)
    return tuple(kept)


def _slope(left: Point, right: Point) -> Fraction:
    return (right.cost - left.cost) / ((right.quantity - left.quantity) or 1)
