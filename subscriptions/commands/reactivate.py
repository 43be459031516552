"""Reactivate: a customer comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from core.calendar.cycle import Cycle
from core.errors import BusinessLogicError, ValidationError
from subscriptions.life.standing import Standing


@dataclass(frozen=True, slots=True)
class Reactivate:
    """Go on from now, with the plan that it had or another one; the time between is not billed.

    Of the quantities that it had, another plan version keeps those that stand in `keeps`.
    """

    name: ClassVar[str] = "reactivate"
    plan_version_id: UUID | None = None
    quantities: Mapping[str, Decimal] | None = None
    until: datetime | None = None
    keeps: frozenset[str] = frozenset()

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """`CANCELED` and `EXPIRED` become `ACTIVE`; periods step from the same anchor."""
        if self.until is not None and self.until <= at:
            raise ValidationError(
                f"until: {self.until.isoformat()} is not after {at.isoformat()}", field="until"
            )
        if at < standing.start:
            raise BusinessLogicError(
                f"start: the subscription ended before it began, at {standing.start.isoformat()};"
                " create another one",
                field="start",
            )
        plan = self.plan_version_id or standing.plan_version_id
        kept = {
            key: each
            for key, each in standing.quantities.items()
            if plan == standing.plan_version_id or key in self.keeps
        }
        back = replace(
            standing.step("reactivate", at),
            over_at=None,
            expires_at=self.until,
            plan_version_id=plan,
            quantities={**kept, **(self.quantities or {})},
        )
        return back.begun(at)
