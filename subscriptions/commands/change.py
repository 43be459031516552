"""Change: another plan, other quantities, now or later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from core.calendar.cycle import Cycle
from subscriptions.commands.base import When, instant_of, refuse_after_end, refuse_over
from subscriptions.standing import Standing
from subscriptions.timeline import Terms, changed_from, terms_at


@dataclass(frozen=True, slots=True)
class Change:
    """Let other terms hold from an instant on, and in all that is planned behind it.

    `quantities` replace those of the same keys. With another plan version, those that stand in
    `keeps` are kept: the ones that it knows.
    """

    name: ClassVar[str] = "change"
    plan_version_id: UUID | None = None
    quantities: Mapping[str, Decimal] | None = None
    when: When = "now"
    keeps: frozenset[str] = frozenset()

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """What is billed splits at the instant; before it begins, the choice changes."""
        refuse_over(standing, "changed")
        begin = max(instant_of(self.when, standing, at, cycle), standing.start)
        refuse_after_end(standing, begin, "at")
        terms = changed_from(standing.terms, begin, self._changed)
        if terms:
            held = terms_at(terms, at) or terms[0]
        else:  # it waits for its first payment: what is chosen changes
            held = self._changed(Terms(at, None, standing.plan_version_id, standing.quantities))
        changed = replace(
            standing,
            terms=terms,
            plan_version_id=held.plan_version_id,
            quantities=held.quantities,
        )
        return standing if changed == standing else replace(changed, at=at)

    def _changed(self, terms: Terms) -> Terms:
        plan = self.plan_version_id or terms.plan_version_id
        kept = {
            key: each
            for key, each in terms.quantities.items()
            if plan == terms.plan_version_id or key in self.keeps
        }
        return replace(terms, plan_version_id=plan, quantities={**kept, **(self.quantities or {})})
