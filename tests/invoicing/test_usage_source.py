from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.meter_definition import Aggregation
from catalog.metering.conversion import Conversion
from catalog.meters import MeterDefinition
from core.calendar.intervals import MONTHLY
from core.ids import CustomerId, MeterId, SubscriptionId, TenantId
from core.money import Currency
from core.period import Period
from invoicing.usage_source import OverlapError, Reading, SplitUsageError, Stretch, block_usage
from invoicing.used import SUBJECT_USAGE
from subscriptions.periods import DuePeriod
from tests.invoicing.builders import NOVEMBER, TENANT, OneQuantity, period_usage_frame
from usage.cut import Cut

HOURS = MeterDefinition(MeterId(UUID(int=9)), TENANT, "hours", "Hours", ("tick",), "count", None, 1)
OTHER = MeterDefinition(MeterId(UUID(int=8)), TENANT, "other", "Other", ("tock",), "count", None, 2)
MOVED = datetime(2023, 11, 11, tzinfo=UTC)
BACK = datetime(2023, 11, 21, tzinfo=UTC)


class HoursUsage(OneQuantity):
    """Every subject uses each meter once an hour."""

    def __init__(self) -> None:
        self.reads: list[tuple[Period, list[str]]] = []

    def cut(self) -> Cut:
        return Cut({})

    def period_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        assert (tenant_id, cut) == (TENANT, Cut({"1/0": 5}))
        assert subjects is not None
        self.reads.append((period, list(subjects)))
        hours = int((period.end - period.start).total_seconds()) // 3600
        return period_usage_frame(
            [(str(each.id), name, Decimal(hours), hours, 0) for each in meters for name in subjects]
        )


def due(number: int, period: Period = NOVEMBER) -> DuePeriod:
    return DuePeriod(
        tenant_id=TENANT,
        customer_id=CustomerId(UUID(int=number)),
        subscription_id=SubscriptionId(UUID(int=0x200 + number)),
        plan_version_id=UUID(int=1),
        currency=Currency("EUR"),
        time_zone="UTC",
        billing_cycle=MONTHLY,
        period=period,
        whole=period,
        subjects=(),
    )


def used(
    stretches: list[Stretch], meters: dict[int, list[MeterDefinition]], source: HoursUsage
) -> dict[tuple[int, str, str], Decimal]:
    readings = {
        (SubscriptionId(UUID(int=0x200 + number)), NOVEMBER): [
            Reading(each, NOVEMBER) for each in some
        ]
        for number, some in meters.items()
    }
    frame = block_usage(source, TENANT, Cut({"1/0": 5}), stretches, readings).plain
    assert frame.schema == SUBJECT_USAGE
    slugs = {str(HOURS.id): "hours", str(OTHER.id): "other"}
    return {
        (UUID(sub).int - 0x200, slugs[meter], subject): quantity
        for sub, _, meter, subject, quantity, _, _ in frame.rows()
    }


def test_periods_that_coincide_are_read_together_and_attributed_apart() -> None:
    source = HoursUsage()
    stretches = [Stretch(due(1), "a", NOVEMBER), Stretch(due(2), "b", NOVEMBER)]
    assert used(stretches, {1: [HOURS], 2: [HOURS, OTHER]}, source) == {
        (1, "hours", "a"): 720,
        (2, "hours", "b"): 720,
        (2, "other", "b"): 720,
    }
    assert source.reads == [(NOVEMBER, ["a", "b"])]


def test_a_subject_that_moves_is_split_at_the_instant_and_both_parts_sum_to_the_whole() -> None:
    first, middle = Period(NOVEMBER.start, MOVED), Period(MOVED, BACK)
    last = Period(BACK, NOVEMBER.end)
    stretches = [
        Stretch(due(1), "roamer", first),
        Stretch(due(1), "roamer", last),  # it comes back
        Stretch(due(2), "roamer", middle),
    ]
    assert used(stretches, {1: [HOURS], 2: [HOURS]}, HoursUsage()) == {
        (1, "hours", "roamer"): 480,
        (2, "hours", "roamer"): 240,
    }


@pytest.mark.parametrize(
    "bent",
    [
        replace(HOURS, aggregation="max", value="n"),
        replace(HOURS, aggregation="avg", value="n"),
        replace(HOURS, conversion=Conversion(Decimal("0.001"), "up", 0)),
    ],
)
def test_what_does_not_add_up_is_not_added_up(bent: MeterDefinition) -> None:
    """Adding the largest value of two stretches would bill what nobody used."""
    first, last = Period(NOVEMBER.start, MOVED), Period(BACK, NOVEMBER.end)
    stretches = [Stretch(due(1), "roamer", first), Stretch(due(1), "roamer", last)]
    with pytest.raises(SplitUsageError, match="'roamer': left a subscription and came back"):
        used(stretches, {1: [bent]}, HoursUsage())
    assert used(stretches[:1], {1: [bent]}, HoursUsage()) == {(1, "hours", "roamer"): 240}
    exact = replace(HOURS, conversion=Conversion(Decimal("0.001")))
    assert used(stretches, {1: [exact]}, HoursUsage()) == {(1, "hours", "roamer"): 480}


def test_one_subject_on_one_meter_of_two_subscriptions_is_refused() -> None:
    stretches = [Stretch(due(1), "a", NOVEMBER), Stretch(due(2), "a", NOVEMBER)]
    assert used(stretches, {1: [HOURS], 2: [OTHER]}, HoursUsage()) == {
        (1, "hours", "a"): 720,
        (2, "other", "a"): 720,
    }
    with pytest.raises(OverlapError, match="subject 'a': two subscriptions would bill"):
        used(stretches, {1: [HOURS], 2: [HOURS]}, HoursUsage())


def test_nobody_used_nothing() -> None:
    assert used([], {}, HoursUsage()) == {}


class LogUsage(OneQuantity):
    """Reads events by hand: subject, when, how much; each meter makes of them what it is."""

    def __init__(self, events: Sequence[tuple[str, datetime, int]]) -> None:
        self.events = events

    def cut(self) -> Cut:
        return Cut({})

    def period_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        del tenant_id, cut
        rows = []
        for each in meters:
            for name in subjects or ():
                values = [
                    value
                    for subject, at, value in self.events
                    if subject == name and period.start <= at < period.end
                ]
                made: dict[str, int] = {
                    "max": max(values, default=0),
                    "unique_count": len(set(values)),
                    "sum": sum(values),
                    "latest": values[-1] if values else 0,
                    "min": min(values, default=0),
                }
                if values:
                    quantity = Decimal(made[each.aggregation])
                    rows.append((str(each.id), name, quantity, len(values), 0))
        return period_usage_frame(rows)


def spans_used(
    aggregation: Aggregation, events: Sequence[tuple[str, datetime, int]], stretches: list[Stretch]
) -> dict[tuple[datetime, str], tuple[int, int]]:
    """What each span of a period that is cut at `MOVED` and `BACK` used, and of how many events."""
    asked = replace(HOURS, aggregation=aggregation, value="n")
    spans = [Period(NOVEMBER.start, MOVED), Period(MOVED, BACK), Period(BACK, NOVEMBER.end)]
    readings = {
        (stretch.due.subscription_id, NOVEMBER): [Reading(asked, span) for span in spans]
        for stretch in stretches
    }
    found = block_usage(LogUsage(events), TENANT, Cut({}), stretches, readings).plain
    assert found.schema == SUBJECT_USAGE
    return {
        (start, subject): (int(quantity), events)
        for _, start, _, subject, quantity, events, _ in found.rows()
    }


DAY = timedelta(days=1)
EVENTS = [
    ("a", NOVEMBER.start + DAY, 5),
    ("a", NOVEMBER.start + 2 * DAY, 7),
    ("a", MOVED, 7),
    ("a", MOVED + DAY, 3),
    ("a", BACK + DAY, 9),
]


@pytest.mark.parametrize(
    ("aggregation", "parts"),
    [
        # a part is what it adds to the time before: {5, 7}, then {3}, then {9}
        ("unique_count", [(2, 2), (1, 2), (1, 1)]),
        ("max", [(7, 2), (0, 2), (2, 1)]),
        ("sum", [(12, 2), (10, 2), (9, 1)]),
        # what may fall is what it adds to the most so far: 7, then 3, then 9; 5, then 3, then 3
        ("latest", [(7, 2), (0, 2), (2, 1)]),
        ("min", [(5, 2), (0, 2), (0, 1)]),
    ],
)
def test_parts_of_a_period_come_to_the_whole_for_every_meter(
    aggregation: Aggregation, parts: list[tuple[int, int]]
) -> None:
    found = spans_used(aggregation, EVENTS, [Stretch(due(1), "a", NOVEMBER)])
    expected = dict(zip((NOVEMBER.start, MOVED, BACK), parts, strict=True))
    assert {start: numbers for (start, _), numbers in found.items()} == expected


@given(
    levels=st.lists(st.integers(min_value=0, max_value=9), min_size=1, max_size=8),
    days=st.lists(st.integers(min_value=0, max_value=29), min_size=8, max_size=8, unique=True),
)
def test_what_may_fall_is_billed_as_much_as_it_ever_showed(
    levels: list[int], days: list[int]
) -> None:
    """Over three parts: the largest of what it was at the end of each, however it went."""
    times = [NOVEMBER.start + day * DAY for day in sorted(days)]
    events = [("a", at, level) for at, level in zip(times, levels, strict=False)]
    found = spans_used("latest", events, [Stretch(due(1), "a", NOVEMBER)])
    shown = [
        [level for _, at, level in events if at < end][-1:] for end in (MOVED, BACK, NOVEMBER.end)
    ]
    assert sum(quantity for quantity, _ in found.values()) == max(sum(each) for each in shown)
    assert sum(many for _, many in found.values()) == len(events)


def test_a_subject_that_comes_in_a_part_is_read_from_when_it_came() -> None:
    """What it did for somebody else before is not taken off."""
    stretches = [Stretch(due(1), "a", Period(MOVED, NOVEMBER.end))]
    found = spans_used("unique_count", EVENTS, stretches)
    assert found == {(MOVED, "a"): (2, 2), (BACK, "a"): (1, 1)}  # {7, 3}, then {9}


def test_a_part_in_which_nothing_was_used_has_no_row() -> None:
    found = spans_used("max", EVENTS[:2], [Stretch(due(1), "a", NOVEMBER)])
    assert found == {(NOVEMBER.start, "a"): (7, 2)}


def test_two_lines_of_one_meter_share_what_is_read() -> None:
    source, key = HoursUsage(), (due(1).subscription_id, NOVEMBER)
    twice = {key: [Reading(HOURS, NOVEMBER), Reading(HOURS, NOVEMBER)]}
    stretches = [Stretch(due(1), "a", NOVEMBER)]
    found = block_usage(source, TENANT, Cut({"1/0": 5}), stretches, twice).plain
    assert found["quantity"].to_list() == [720]
