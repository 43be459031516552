"""Terms in the phases of their plans: who buys a plan goes through them, by its own calendar.

Which phase holds says nothing but the plan version and since when its plan is paid for. The time of
a trial is no time of the other phases: they begin where it ends. A newer version of the same plan
goes on counting, another plan begins anew, as does whoever comes back after a time in between. So
terms are laid out as often as one likes, and billing needs no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import sql
from core.calendar.cycle import Cycle
from core.calendar.intervals import MONTHLY, Interval
from core.ids import TenantId
from db.postgres import Connection
from subscriptions.life.timeline import Terms, cut, joined, since

_DAILY: Final = Interval("day")


@dataclass(frozen=True, slots=True)
class PhaseLength:
    """A phase as the calendar sees it; one that `lasts` None goes on for ever."""

    key: str
    lasts: Interval | None
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Phased:
    """A plan version as the calendar sees it."""

    plan_id: UUID
    phases: tuple[PhaseLength, ...] = ()

    @property
    def trial(self) -> PhaseLength | None:
        """The phase that is a trial: the first, if any."""
        return next((each for each in self.phases if each.trial), None)


def trial_end(phased: Phased, start: datetime, zone: ZoneInfo) -> datetime | None:
    """When the trial of a plan that begins at `start` ends; None where it has none."""
    if phased.trial is None:
        return None
    [(end, _)] = _ends([phased.trial], start, zone)
    return end


def laid_out(
    terms: Sequence[Terms], at: datetime, plans: Mapping[UUID, Phased], zone: ZoneInfo
) -> tuple[Terms, ...]:
    """The same terms, from `at` on in the phases of their plans; nothing before changes.

    `plans` has each plan version of the terms.
    """
    coming = joined(replace(each, phase=None) for each in since(terms, at))
    found: list[Terms] = []
    before: Terms | None = None
    paid_since = at
    for each in (*cut(terms, at), *coming):
        phased = plans[each.plan_version_id]
        goes_on = (
            before is not None
            and before.end == each.start
            and not before.trial
            and plans[before.plan_version_id].plan_id == phased.plan_id
        )
        if not goes_on:
            paid_since = each.start
        found += [each] if each.start < at else _in_phases(each, phased, paid_since, zone)
        before = each
    return joined(found)


def _in_phases(
    terms: Terms, phased: Phased, paid_since: datetime, zone: ZoneInfo
) -> Iterator[Terms]:
    """What was planned for one stretch of time, phase by phase."""
    if terms.trial:
        trial = phased.trial
        yield replace(terms, phase=None if trial is None else trial.key)
        return
    begin = terms.start
    for end, key in _ends([each for each in phased.phases if not each.trial], paid_since, zone):
        if end is not None and end <= begin:
            continue
        last = end is None or (terms.end is not None and terms.end <= end)
        stop = terms.end if last else end
        yield replace(terms, start=begin, end=stop, phase=key)
        if last or stop is None:
            return
        begin = stop
    yield replace(terms, start=begin, phase=None)


def _ends(
    phases: Sequence[PhaseLength], start: datetime, zone: ZoneInfo
) -> Iterator[tuple[datetime | None, str]]:
    """When each phase ends, the first beginning at `start`; None: never.

    Months are counted from where the first of them in a row began, so that 31 January is followed
    by the last days of months; days as well, by the wall of the zone.
    """
    origin, counted, in_months = start, 0, False
    for phase in phases:
        if phase.lasts is None:
            yield None, phase.key
            return
        months = phase.lasts.months
        if bool(months) != in_months:
            origin, counted, in_months = start, 0, bool(months)
        counted += months or phase.lasts.days
        start = Cycle(origin, zone, MONTHLY if in_months else _DAILY).boundary(counted)
        yield start, phase.key


def phased_of(rows: Sequence[Any]) -> tuple[PhaseLength, ...]:
    """Phases as queries tell them: key, how long, whether it is a trial."""
    return tuple(
        PhaseLength(key, None if lasts is None else Interval.lasting(lasts), trial)
        for key, lasts, trial in rows
    )


def phased_versions(
    conn: Connection, tenant_id: TenantId, version_ids: Sequence[UUID]
) -> dict[UUID, Phased]:
    """These plan versions as the calendar sees them."""
    rows = conn.execute(
        sql.load("postgres/queries/select_phased_versions"),
        {"tenant_id": tenant_id, "plan_version_ids": list(version_ids)},
    )
    return {row["id"]: Phased(row["plan_id"], phased_of(row["phases"])) for row in rows}
