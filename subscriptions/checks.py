"""What must be true of a subscription beside how it stands: what it buys, and what others price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sql
from core.calendar.intervals import Interval
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.events import TEXT_BYTES_MAX
from core.ids import PlanId, TenantId
from core.money import Currency
from db.postgres import Connection
from subscriptions.subscription import Subscription

SUBJECTS_MAX = 1000
"""Subjects that one subscription may own."""


@dataclass(frozen=True, slots=True)
class Version:
    """A plan version that is subscribed to; `agreed` are the keys of lines with a quantity.

    `cycles` are the billing cycles that it has lines for; None: lines for any.
    """

    id: UUID
    plan_id: PlanId
    plan: str
    number: int
    currency: Currency
    sold: bool
    agreed: frozenset[str]
    cycles: frozenset[str | None]

    def check_quantities(self, keys: Iterable[str]) -> None:
        """Raise `ValidationError` for the quantity of a line that is not sold by quantity."""
        for key in sorted(set(keys) - self.agreed):
            known = ", ".join(sorted(self.agreed)) or "none"
            raise ValidationError(
                f"quantities.{key}: version {self.number} of {self.plan!r} has no agreed quantity"
                f" called so; it has: {known}",
                field=f"quantities.{key}",
            )


def find_version(
    conn: Connection,
    tenant_id: TenantId,
    *,
    plan: str | None = None,
    number: int | None = None,
    version_id: UUID | None = None,
) -> Version:
    """A version by plan and number, the newest without one, or by id. Raises `NotFoundError`."""
    row = conn.execute(
        sql.load("postgres/queries/select_subscribed_version"),
        {"tenant_id": tenant_id, "id": version_id, "slug": plan, "number": number},
    ).fetchone()
    if row is None:
        which = "" if number is None else f" with a version {number}"
        raise NotFoundError(f"plan: there is none called {plan!r}{which}", field="plan")
    return Version(
        row["id"],
        PlanId(row["plan_id"]),
        row["plan"],
        row["number"],
        Currency(row["currency"]),
        row["archived_at"] is None,
        frozenset(row["agreed"]),
        frozenset(row["cycles"]),
    )


def check_buys(version: Version, currency: Currency, interval: Interval, *, payer: str) -> None:
    """Raise `BusinessLogicError` where a customer cannot buy this version from now on."""
    if not version.sold:
        raise BusinessLogicError(
            f"plan: version {version.number} of {version.plan!r} is not sold any more; choose one"
            " that is",
            field="plan",
        )
    if version.currency != currency:
        raise BusinessLogicError(
            f"plan: it is priced in {version.currency}, {payer} pays in {currency}", field="plan"
        )
    if not version.cycles & {None, str(interval)}:
        raise BusinessLogicError(
            f"billing_cycle: the plan has no line that is billed {interval}; choose the cadence of"
            " one of its lines",
            field="billing_cycle",
        )


def check_overlap(conn: Connection, subscription: Subscription) -> None:
    """Raise `ConflictError` naming both where another one prices the same usage at some instant."""
    taken = conn.execute(
        sql.load("postgres/queries/select_meter_overlap"),
        {"tenant_id": subscription.tenant_id, "id": subscription.id},
    ).fetchone()
    if taken is not None:
        raise ConflictError(
            f"plan: subscriptions {taken['slug']!r} and {subscription.slug!r} of customer"
            f" {subscription.customer!r} would both price the meter {taken['meter']!r}",
            field="plan",
        )


def check_subjects(subjects: Sequence[str] | None) -> tuple[str, ...] | None:
    """The subjects that a subscription owns, once each. Raises `ValidationError`."""
    if subjects is None:
        return None
    if not 1 <= len(subjects) <= SUBJECTS_MAX:
        raise ValidationError(
            f"subjects: give 1 to {SUBJECTS_MAX}, or none to bill all of the customer's",
            field="subjects",
        )
    for subject in _twice(subjects):
        raise ValidationError(f"subjects: {subject!r} is there twice", field="subjects")
    most = TEXT_BYTES_MAX["subject"]
    for subject in subjects:
        if not 1 <= len(subject.encode()) <= most:
            raise ValidationError(f"subjects: each has 1 to {most} bytes", field="subjects")
    return tuple(sorted(subjects))


def _twice(names: Sequence[str]) -> Iterable[str]:
    return sorted({name for name in names if names.count(name) > 1})
