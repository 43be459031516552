"""Lines with periods of their own: billed in advance, or less often than their subscription.

Own periods step from the subscription's anchor by a line's own cycle, so that each begins and ends
with a period of the subscription. At the end of a period are due:

| lines | for |
|---|---|
| in arrears | their own period that ends there, or as much of it as there was where all ends |
| in advance | their own period that begins there, as far as it is known |
| in advance | those that ended, or go on: what is known by now takes the place of what was |

At an opening only lines in advance are due. What follows a trial is not billed before it is over:
nobody knows yet whether anything does. Of a subscription that came from elsewhere, nothing of the
time before it came is due, and no own period that was billed there in advance, of lines it had.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

from core.calendar.cycle import Cycle
from core.calendar.zones import parse_time_zone
from core.period import Period
from invoicing.billed_lines import Plans, billed_lines
from invoicing.model import PlanLine, Rhythm, Section
from subscriptions.contracts.negotiated import Negotiated
from subscriptions.life.timeline import Terms, billed, cut, since, terms_at
from subscriptions.periods import DuePeriod
from subscriptions.whole_life import Life

_CACHED: Final = 4096
_TICK: Final = timedelta(microseconds=1)
_cycle = lru_cache(_CACHED)(Cycle)

Own = tuple[Section, DuePeriod]
"""A section, and the time of its subscription that it is billed for."""


def own_sections(due: DuePeriod, plans: Plans, negotiated: Negotiated) -> list[Own]:
    """What is due with a period, of lines that have periods of their own."""
    life = due.life
    if life is None:
        return []
    versions = {each for terms in life.terms for each in (terms.plan_version_id, *terms.addons)}
    rhythms = {rhythm for each in versions for rhythm in plans[each, due.billing_cycle].rhythms}
    return [
        (Section(rhythm, own.whole, own.period, lines), own)
        for rhythm in sorted(rhythms, key=str)
        for own in _own_dues(due, life, rhythm)
        for elsewhere in [_billed_elsewhere(own, life, plans, rhythm)]
        for lines in [_without(elsewhere, billed_lines(own, plans, negotiated, rhythm))]
        if lines or rhythm.in_advance
    ]


def _billed_elsewhere(own: DuePeriod, life: Life, plans: Plans, rhythm: Rhythm) -> set[str]:
    """Keys of lines that were billed in advance of an own period where the subscription came from.

    Those that cost something in it by then: not what a trial waived, or a pause left out.
    """
    at, until = life.came_at, life.advance_from
    if at is None or until is None or not rhythm.in_advance or own.whole.start >= until:
        return set()
    before = Period(min(at, own.whole.start), at + _TICK)
    came = replace(own, period=before, terms=billed(life.terms, life.pauses, None, before))
    return {line.key for line in billed_lines(came, plans, rhythm=rhythm)}


def _without(keys: set[str], lines: tuple[PlanLine, ...]) -> tuple[PlanLine, ...]:
    return tuple(line for line in lines if line.key not in keys) if keys else lines


def has_advance(due: DuePeriod, plans: Plans) -> bool:
    """Whether anything of the subscription is, or was, billed in advance."""
    return due.life is not None and any(
        rhythm.in_advance
        for terms in due.life.terms
        for each in (terms.plan_version_id, *terms.addons)
        for rhythm in plans[each, due.billing_cycle].rhythms
    )


def _own_dues(due: DuePeriod, life: Life, rhythm: Rhythm) -> Iterator[DuePeriod]:
    every = rhythm.every or due.billing_cycle
    cycle = _cycle(life.anchor, parse_time_zone(due.time_zone), every)
    ended = life.ended_at is not None and life.ended_at <= due.at
    own = cycle.period_of(due.period.start)
    if not rhythm.in_advance:
        if not due.opening and (ended or own.end == due.at):
            period = Period(max(own.start, life.stretch_start), due.at)
            yield due.over(period, own, life.billed(period))
        return
    if not due.opening and own.end <= due.at:
        yield due.over(own, own, _here(life, own))
        own = cycle.period_of(due.at)
        if ended:
            return
    terms = _here(life, own)
    yield due.over(own, own, terms if ended else _known(terms, due))


def _here(life: Life, own: Period) -> tuple[Terms, ...]:
    """What is billed of an own period, from when the subscription came."""
    terms = life.billed(own)
    return terms if life.came_at is None else since(terms, life.came_at)


def _known(terms: tuple[Terms, ...], due: DuePeriod) -> tuple[Terms, ...]:
    """Without what follows a trial that is not over."""
    held = terms_at(terms, due.at)
    return cut(terms, due.at) if held is not None and held.trial else terms
