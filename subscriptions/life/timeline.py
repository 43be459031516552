"""What a subscription is billed for, and when: terms in order of time, and pauses over them.

Terms say what is planned, for ever where they have no end. A pause takes nothing away from them: it
lies over them, so that whoever returns finds what was planned meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.period import Period


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds in `[start, end)`: a plan version, agreed quantities by key of its lines.

    `addons` are further plan versions, each so many times. During a `trial` flat fees are waived.
    `phase` is the key of the one that the plan is in, None: in none.
    """

    start: datetime
    end: datetime | None
    plan_version_id: UUID
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    trial: bool = False
    addons: Mapping[UUID, Decimal] = field(default_factory=dict)
    phase: str | None = None

    def holds(self, at: datetime) -> bool:
        """Whether these terms hold at an instant."""
        return self.start <= at and (self.end is None or at < self.end)

    def between(self, start: datetime, end: datetime | None) -> Terms:
        """The same, for another time."""
        if start == self.start and end == self.end:
            return self
        return Terms(
            start, end, self.plan_version_id, self.quantities, self.trial, self.addons, self.phase
        )

    def same(self, other: Terms) -> bool:
        """Whether they say the same, whenever."""
        return self.between(other.start, other.end) == other


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which nothing is billed, or no service is given, or both."""

    start: datetime
    end: datetime | None
    billing: bool
    service: bool


def terms_at(terms: Sequence[Terms], at: datetime) -> Terms | None:
    """What holds at an instant; None where nothing does."""
    return next((each for each in terms if each.holds(at)), None)


def service_paused(pauses: Sequence[Pause], at: datetime) -> bool:
    """Whether a pause takes the service away at an instant."""
    return any(
        each.service and each.start <= at and (each.end is None or at < each.end) for each in pauses
    )


def cut(terms: Sequence[Terms], at: datetime) -> tuple[Terms, ...]:
    """What holds before an instant, and nothing from then on."""
    kept = (each for each in terms if each.start < at)
    return tuple(
        each.between(each.start, at) if each.end is None or each.end > at else each for each in kept
    )


def since(terms: Sequence[Terms], at: datetime) -> tuple[Terms, ...]:
    """What holds from an instant on, and nothing before."""
    return tuple(
        each.between(max(each.start, at), each.end)
        for each in terms
        if each.end is None or each.end > at
    )


def changed_from(
    terms: Sequence[Terms], at: datetime, change: Callable[[Terms], Terms]
) -> tuple[Terms, ...]:
    """The same up to an instant, and all that was planned from then on changed."""
    return joined((*cut(terms, at), *map(change, since(terms, at))))


def joined(terms: Iterable[Terms]) -> tuple[Terms, ...]:
    """Terms that touch and say the same are one."""
    found: list[Terms] = []
    for each in terms:
        if found and found[-1].end == each.start and found[-1].same(each):
            found[-1] = found[-1].between(found[-1].start, each.end)
        else:
            found.append(each)
    return tuple(found)


def first_difference(before: Sequence[Terms], after: Sequence[Terms]) -> datetime | None:
    """The first instant for which two plans say something else; None where they say the same."""
    edges = {edge for each in (*before, *after) for edge in (each.start, each.end) if edge}
    for at in sorted(edges):
        was, now = terms_at(before, at), terms_at(after, at)
        if (was is None) != (now is None) or (was and now and not was.same(now)):
            return at
    return None


def billed(
    terms: Sequence[Terms], pauses: Sequence[Pause], ended_at: datetime | None, period: Period
) -> tuple[Terms, ...]:
    """What is billed of a period: the terms within it, without pauses, up to the end."""
    end = period.end if ended_at is None else min(period.end, ended_at)
    found = [
        each.between(max(each.start, period.start), min(each.end or end, end)) for each in terms
    ]
    for pause in pauses:
        if pause.billing:
            found = [part for each in found for part in _without(each, pause)]
    return joined(each for each in found if each.end is not None and each.start < each.end)


def _without(terms: Terms, pause: Pause) -> Iterable[Terms]:
    assert terms.end is not None
    yield terms.between(terms.start, min(terms.end, pause.start))
    if pause.end is not None:
        yield terms.between(max(terms.start, pause.end), terms.end)
