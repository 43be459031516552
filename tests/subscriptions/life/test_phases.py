"""Phases over terms, beside a calendar that is walked day by day and imports nothing of them."""

from __future__ import annotations

import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar.intervals import Interval
from subscriptions.life.phases import Phased, PhaseLength, laid_out, trial_end
from subscriptions.life.timeline import Terms, cut, since

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 60
VERSIONS = {UUID(int=number): UUID(int=100 + number // 2) for number in range(6)}
"""Versions, two of each plan."""


def day(number: int) -> datetime:
    return START + timedelta(days=number)


@st.composite
def phases(draw: st.DrawFn) -> tuple[PhaseLength, ...]:
    """Maybe a trial, then some that last days, the last maybe for ever."""
    lengths = draw(st.lists(st.integers(1, 12), max_size=3))
    found = [PhaseLength(f"p{place}", Interval("day", days)) for place, days in enumerate(lengths)]
    if draw(st.booleans()):
        found.append(PhaseLength("for ever", None))
    trial = [PhaseLength("try", Interval("day", 5), trial=True)] if draw(st.booleans()) else []
    return (*trial, *found)


@st.composite
def timelines(draw: st.DrawFn) -> tuple[Terms, ...]:
    edges = sorted(draw(st.sets(st.integers(0, DAYS), max_size=6)))
    return tuple(
        Terms(
            day(begin),
            None if end is None else day(end),
            draw(st.sampled_from(list(VERSIONS))),
            trial=draw(st.booleans()),
        )
        for begin, end in zip(edges, [*edges[1:], None][: len(edges)], strict=True)
        if draw(st.booleans())
    )


def walked(terms: tuple[Terms, ...], plans: dict[UUID, Phased]) -> list[str | None]:
    """The phase of each day, by counting the days that a plan was paid for in a row."""
    found: list[str | None] = []
    plan, paid = None, 0
    for number in range(DAYS + 40):
        held = next((each for each in terms if each.holds(day(number))), None)
        if held is None:
            plan = None
            found.append("nothing")
            continue
        known = plans[held.plan_version_id]
        if held.trial:
            plan = None
            found.append(next((each.key for each in known.phases if each.trial), None))
            continue
        paid = paid + 1 if plan == known.plan_id else 0
        plan, left = known.plan_id, paid
        for each in known.phases:
            if each.trial:
                continue
            if each.lasts is None or left < each.lasts.count:
                found.append(each.key)
                break
            left -= each.lasts.count
        else:
            found.append(None)
    return found


def bare(terms: tuple[Terms, ...]) -> list[list[Terms]]:
    """What holds on each day, but for the phase."""
    return [
        [
            replace(each, start=START, end=None, phase=None)
            for each in terms
            if each.holds(day(number))
        ]
        for number in range(DAYS + 40)
    ]


def by_day(terms: tuple[Terms, ...]) -> list[str | None]:
    held = [
        next((each for each in terms if each.holds(day(number))), None)
        for number in range(DAYS + 40)
    ]
    return ["nothing" if each is None else each.phase for each in held]


@given(timelines(), st.lists(phases(), min_size=6, max_size=6), st.integers(0, DAYS))
def test_terms_are_laid_out_as_days_are_counted(
    terms: tuple[Terms, ...], drawn: list[tuple[PhaseLength, ...]], at: int
) -> None:
    plans = {
        version: Phased(plan, said)
        for (version, plan), said in zip(VERSIONS.items(), drawn, strict=True)
    }
    utc = ZoneInfo("UTC")
    found = laid_out(terms, START, plans, utc)
    assert by_day(found) == walked(terms, plans)
    # Nothing but the phase is another one, and once more changes nothing, from whenever.
    assert bare(found) == bare(terms)
    assert laid_out(found, day(at), plans, utc) == found
    # From an instant on it is the same again, whatever stood there; before, all is kept.
    wrong = (*cut(found, day(at)), *(replace(each, phase="x") for each in since(found, day(at))))
    assert laid_out(wrong, day(at), plans, utc) == found


def add_months(start: date, months: int) -> date:
    """As a person counts, whose months may lack the day."""
    place = start.year * 12 + start.month - 1 + months
    year, month = divmod(place, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


@given(
    st.dates(date(2020, 1, 1), date(2028, 12, 31)),
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
def test_months_step_from_where_the_first_began(start: date, months: list[int], name: str) -> None:
    zone = ZoneInfo(name)

    def noon(on: date) -> datetime:
        return datetime.combine(on, time(12), tzinfo=zone).astimezone(UTC)

    version = UUID(int=1)
    lengths = [PhaseLength(f"p{place}", Interval("month", n)) for place, n in enumerate(months)]
    plans = {version: Phased(UUID(int=2), tuple(lengths))}
    [*found, last] = laid_out([Terms(noon(start), None, version)], noon(start), plans, zone)
    assert last.phase is None
    ends = [noon(add_months(start, sum(months[: place + 1]))) for place in range(len(months))]
    assert [each.end for each in found] == ends


def test_months_after_a_trial_step_from_its_end() -> None:
    # 14 days from 17 January are the 31st: then 29 February, then 31 March, not the 29th.
    utc, version = ZoneInfo("UTC"), UUID(int=1)
    phased = Phased(
        UUID(int=2),
        (
            PhaseLength("try", Interval("day", 14), trial=True),
            PhaseLength("one", Interval("month")),
            PhaseLength("two", Interval("month")),
            PhaseLength("days", Interval("week")),
        ),
    )
    begin = datetime(2024, 1, 17, tzinfo=UTC)
    end = trial_end(phased, begin, utc)
    assert end == datetime(2024, 1, 31, tzinfo=UTC)
    terms = [Terms(begin, end, version, trial=True), Terms(end, None, version)]
    found = laid_out(terms, begin, {version: phased}, utc)
    assert [(each.phase, f"{each.start:%m-%d}") for each in found] == [
        ("try", "01-17"),
        ("one", "01-31"),
        ("two", "02-29"),
        ("days", "03-31"),
        (None, "04-07"),
    ]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        # 02:30 on 17 March; 14 days later clocks go from 02:00 to 03:00, so it is 03:30.
        ("2024-03-17T02:30", "2024-03-31T03:30"),
        ("2024-10-20T12:00", "2024-11-03T12:00"),
    ],
)
def test_days_are_those_of_the_wall(start: str, end: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    phased = Phased(UUID(int=1), (PhaseLength("try", Interval("day", 14), trial=True),))
    begin = datetime.fromisoformat(start).replace(tzinfo=zone).astimezone(UTC)
    found = trial_end(phased, begin, zone)
    assert found is not None
    assert f"{found.astimezone(zone):%Y-%m-%dT%H:%M}" == end
