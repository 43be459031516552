"""Change: another plan, other quantities, other add-ons, now or later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from core.calendar.cycle import Cycle
from subscriptions.commands.base import When, instant_of, refuse_after_end, refuse_over
from subscriptions.life.standing import Standing
from subscriptions.life.timeline import Terms, changed_from, terms_at


@dataclass(frozen=True, slots=True)
class Change:
    """Let other terms hold from an instant on, and in all that is planned behind it.

    `quantities` replace those of the same keys. With another plan version, those that stand in
    `keeps` are kept: the ones that it knows. Of `addons` there are so many from then on, instead of
    those in `drops`, the other versions of the same add-ons; none where it says zero. With `only`,
    terms of other plan versions stay as they are.
    """

    name: ClassVar[str] = "change"
    plan_version_id: UUID | None = None
    quantities: Mapping[str, Decimal] | None = None
    when: When = "now"
    keeps: frozenset[str] = frozenset()
    addons: Mapping[UUID, Decimal] | None = None
    drops: frozenset[UUID] = frozenset()
    only: frozenset[UUID] | None = None

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """What is billed splits at the instant; before it begins, the choice changes."""
        refuse_over(standing, "changed")
        begin = max(instant_of(self.when, standing, at, cycle), standing.start)
        refuse_after_end(standing, begin, "at")
        terms = changed_from(standing.terms, begin, self._changed)
        # While it waits for its first payment there are no terms: what is chosen changes.
        coming = terms or (self._changed(standing.chosen(at)),)
        held = terms_at(coming, at) or coming[0]
        changed = replace(standing, terms=terms).holding(held)
        return standing if changed == standing else replace(changed, at=at)

    def _changed(self, terms: Terms) -> Terms:
        if self.only is not None and terms.plan_version_id not in self.only:
            return terms
        plan = self.plan_version_id or terms.plan_version_id
        kept = {
            key: each
            for key, each in terms.quantities.items()
            if plan == terms.plan_version_id or key in self.keeps
        }
        addons = {
            **{each: many for each, many in terms.addons.items() if each not in self.drops},
            **(self.addons or {}),
        }
        return replace(
            terms,
            plan_version_id=plan,
            quantities={**kept, **(self.quantities or {})},
            addons={each: many for each, many in addons.items() if many},
        )
