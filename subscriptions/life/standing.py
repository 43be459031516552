"""How a subscription stands: its state, what is planned, and what comes next by itself.

Pure: an instant is an argument, and nothing is read or written. Commands (`subscriptions.commands`)
lead from one standing to the next; `steps_until` does what the calendar does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from subscriptions.life.lifecycle import OVER, Event, Status, next_status
from subscriptions.life.timeline import Pause, Terms, changed_from, cut, joined, since, terms_at

Activation = Literal["start", "payment"]
"""What makes a subscription active: that it begins, or that its first payment succeeds."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A subscription at `at`, the instant of its last change.

    `plan_version_id`, `quantities` and `addons` are what holds, or held, or is chosen while nothing
    does yet.
    `cancel_at` and `expires_at`, the end of a contract, are planned ends, as is the end of a trial
    that does not convert; `over_at` is the one that came.
    """

    at: datetime
    status: Status
    start: datetime
    activation: Activation
    plan_version_id: UUID
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    addons: Mapping[UUID, Decimal] = field(default_factory=dict)
    terms: tuple[Terms, ...] = ()
    pauses: tuple[Pause, ...] = ()
    trial_ends_at: datetime | None = None
    trial_converts: bool = True
    cancel_at: datetime | None = None
    expires_at: datetime | None = None
    over_at: datetime | None = None
    failed_payments: int = 0
    retry_at: datetime | None = None
    grace_ends_at: datetime | None = None

    @property
    def end(self) -> datetime | None:
        """When it ended, or is going to."""
        ends = [self.over_at, self.cancel_at, self.expires_at, self.grace_ends_at]
        if not self.trial_converts and self.status in {"FREE", "TRIALING"}:
            ends.append(self.trial_ends_at)
        return min((each for each in ends if each), default=None)

    @property
    def pause(self) -> Pause | None:
        """The pause that lasts, or comes."""
        return next((each for each in self.pauses if each.end is None or each.end > self.at), None)

    def chosen(self, at: datetime) -> Terms:
        """What is chosen, as terms from `at` on."""
        return Terms(at, None, self.plan_version_id, self.quantities, addons=self.addons)

    def holding(self, terms: Terms) -> Standing:
        """The same with these terms as what holds."""
        return replace(
            self,
            plan_version_id=terms.plan_version_id,
            quantities=terms.quantities,
            addons=terms.addons,
        )

    def step(self, event: Event, at: datetime) -> Standing:
        """The same after a change of its state. Raises `InvalidStateTransitionError`."""
        moved = replace(self, at=at, status=next_status(self.status, event))
        if moved.status in OVER:
            return ended(moved, at)
        return moved

    def begun(self, at: datetime, *, trial_until: datetime | None = None) -> Standing:
        """The same with terms from `at` on, a trial first where it has one.

        What was planned for later stays planned; without a plan, what is chosen holds for ever.
        """
        planned = list(since(self.terms, at)) or [self.chosen(at)]
        planned[0] = replace(planned[0], start=at)
        planned[-1] = replace(planned[-1], end=None)
        terms = changed_from((*cut(self.terms, at), *planned), at, _sold)
        if trial_until is not None:
            rest = since(terms, trial_until) if self.trial_converts else ()
            terms = (*changed_from(cut(terms, trial_until), at, _tried), *rest)
        return replace(self, terms=joined(terms))


def _sold(terms: Terms) -> Terms:
    return replace(terms, trial=False)


def _tried(terms: Terms) -> Terms:
    return replace(terms, trial=True)


def ended(standing: Standing, at: datetime) -> Standing:
    """The same with nothing from `at` on; what never began ends where it would have begun."""
    over = max(at, standing.start)
    pauses = tuple(
        replace(each, end=over) if each.end is None or each.end > over else each
        for each in standing.pauses
        if each.start < over
    )
    return replace(
        standing,
        terms=cut(standing.terms, over),
        pauses=pauses,
        over_at=over,
        cancel_at=None,
        expires_at=None,
        retry_at=None,
        grace_ends_at=None,
        failed_payments=0,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """What the calendar did at an instant, and how the subscription stands after it."""

    name: str
    standing: Standing


def next_step_at(standing: Standing) -> datetime | None:
    """When something comes by itself; None: never."""
    found = _next(standing)
    return None if found is None else found[0]


def steps_until(standing: Standing, as_of: datetime) -> Iterator[Step]:
    """All that comes by itself up to `as_of`, one after the other, each at its own instant."""
    while (found := _next(standing)) is not None and found[0] <= as_of:
        at, name = found
        standing = _done(standing, at, name)
        yield Step(name, standing)


def _next(standing: Standing) -> tuple[datetime, str] | None:
    """What comes next. At one instant an end is before all else, and states are before terms."""
    if standing.status in OVER:
        return None
    coming: list[tuple[datetime, int, str]] = []
    if standing.cancel_at:
        coming.append((standing.cancel_at, 0, "cancel"))
    if standing.expires_at:
        coming.append((standing.expires_at, 1, "expire"))
    if standing.grace_ends_at:
        coming.append((standing.grace_ends_at, 2, "end_grace"))
    if standing.status == "FREE" and standing.terms:
        name = "activate" if standing.trial_ends_at is None else "start_trial"
        coming.append((standing.start, 3, name))
    if standing.status == "TRIALING" and standing.trial_ends_at:
        coming.append(
            (standing.trial_ends_at, 4, "activate" if standing.trial_converts else "expire")
        )
    if (pause := standing.pause) and pause.end:
        coming.append((pause.end, 5, "resume"))
    begins = [each.start for each in standing.terms if each.start > standing.at]
    coming.extend((each, 6, "begin_terms") for each in begins[:1])
    if not coming:
        return None
    at, _, name = min(coming)
    return at, name


def _done(standing: Standing, at: datetime, name: str) -> Standing:
    moved = standing
    match name:
        case "cancel" | "expire" | "end_grace" | "start_trial" | "activate" as event:
            moved = standing.step(event, at)
        case _:  # a pause that ends and terms that begin were planned
            moved = replace(standing, at=at)
    held = terms_at(moved.terms, at)
    return moved if held is None else moved.holding(held)
