"""What a customer used: the usage of its subjects together, each in the time in which it is its."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from itertools import pairwise
from typing import Final

from catalog.meter_definition import MeterDefinition
from core.period import Period
from usage.cut import Cut
from usage.grouped import united_usage
from usage.reader import UsageReader

_ADDITIVE: Final = frozenset({"count", "sum", "weighted_sum"})
_EXACT: Final = Context(prec=80)
"""Far more digits than quantities have, so no sum of them is rounded."""


def adds_up(meter: MeterDefinition) -> bool:
    """Whether quantities of disjoint times, or of different subjects, add up to that of all."""
    rounds = meter.conversion is not None and meter.conversion.rounding is not None
    return meter.aggregation in _ADDITIVE and not rounds


def used_in(
    reader: UsageReader,
    meter: MeterDefinition,
    held: Sequence[tuple[str, Period]],
    windows: Sequence[Period],
    cut: Cut,
) -> list[Decimal]:
    """What the subjects used in each window, up to the cut; `held` says when each one counts.

    `windows` are sorted and disjoint. Raises `DependencyDownError`, and `BusinessLogicError` for a
    meter whose usage cannot be told of several subjects.
    """
    if adds_up(meter):
        return _added(reader, meter, held, windows, cut)
    found = []
    for window in windows:
        stretches: defaultdict[Period, list[str]] = defaultdict(list)
        for subject, period in held:
            if period.overlaps(window):
                start, end = max(period.start, window.start), min(period.end, window.end)
                stretches[Period(start, end)].append(subject)
        found.append(united_usage(reader, meter, stretches, cut))
    return found


def _added(
    reader: UsageReader,
    meter: MeterDefinition,
    held: Sequence[tuple[str, Period]],
    windows: Sequence[Period],
    cut: Cut,
) -> list[Decimal]:
    """Windows are cut where a subject comes or goes; parts with the same subjects read at once."""
    reads: defaultdict[tuple[str, ...], list[tuple[Period, int]]] = defaultdict(list)
    for place, window in enumerate(windows):
        mine = [(subject, period) for subject, period in held if period.overlaps(window)]
        inner = {edge for _, period in mine for edge in (period.start, period.end)}
        cuts = {window.start, window.end, *(edge for edge in inner if edge in window)}
        for start, end in pairwise(sorted(cuts)):
            here = {subject for subject, period in mine if start in period}
            if here:
                reads[tuple(sorted(here))].append((Period(start, end), place))
    totals = [Decimal(0)] * len(windows)
    with localcontext(_EXACT):
        for subjects, parts in reads.items():
            periods = [period for period, _ in parts]
            usage = reader.windowed_usage(meter.tenant_id, [meter], periods, cut, subjects)
            for number, quantity in usage.select("window", "quantity").iter_rows():
                totals[parts[number][1]] += quantity
    return totals
