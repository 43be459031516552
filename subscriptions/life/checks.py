"""What must be true of a subscription beside how it stands: what it buys, and what others price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sql
from catalog.meter_definition import is_slug
from core.calendar.intervals import Interval
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.ids import PlanId, TenantId
from core.money import Currency
from core.refusals import located
from db.postgres import Connection
from subscriptions.customers.subjects import check_subject
from subscriptions.life.phases import Phased, phased_of
from subscriptions.life.subscription import Subscription

SUBJECTS_MAX = 1000
"""Subjects that one subscription may own."""


@dataclass(frozen=True, slots=True)
class Version:
    """A plan version that is subscribed to; `agreed` are those of its `keys` with a quantity.

    `meters` are those that it prices, by slug. `currencies` are those that it is sold in, the
    plan's first; `phased` is how the calendar sees it.
    `cycles` are the billing cycles that it has lines for; None: lines for any. `every` is how often
    those for any are billed, where that is not their cycle.
    """

    id: UUID
    plan_id: PlanId
    plan: str
    number: int
    currencies: tuple[Currency, ...]
    sold: bool
    agreed: frozenset[str]
    keys: frozenset[str]
    meters: frozenset[str]
    kind: str
    cycles: frozenset[str | None]
    phased: Phased
    every: frozenset[str] = frozenset()

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
    if plan is not None and not is_slug(plan):
        raise NotFoundError(f"plan: there is none called {plan!r}", field="plan")
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
        _currencies(row["currency"], row["currencies"]),
        row["archived_at"] is None,
        frozenset(row["agreed"]),
        frozenset(row["keys"]),
        frozenset(row["meters"]),
        row["kind"],
        frozenset(row["cycles"]),
        Phased(row["plan_id"], phased_of(row["phases"])),
        frozenset(row["every"]),
    )


def _currencies(main: str, others: Sequence[str]) -> tuple[Currency, ...]:
    return tuple(Currency(code) for code in dict.fromkeys([main, *others]))


def version_ids(conn: Connection, tenant_id: TenantId, plan_id: PlanId) -> list[UUID]:
    """The ids of all versions of a plan."""
    rows = conn.execute(
        sql.load("postgres/queries/select_plan_version_ids"),
        {"tenant_id": tenant_id, "plan_id": plan_id},
    )
    return [row["id"] for row in rows]


def check_buys(version: Version, currency: Currency, interval: Interval, *, payer: str) -> None:
    """Raise `BusinessLogicError` where a customer cannot buy this version from now on."""
    if not version.sold:
        raise BusinessLogicError(
            f"plan: version {version.number} of {version.plan!r} is not sold any more; choose one"
            " that is",
            field="plan",
        )
    if currency not in version.currencies:
        raise BusinessLogicError(
            f"plan: {version.plan!r} is priced in {_listed(version.currencies)}, {payer} pays in"
            f" {currency}",
            field="plan",
        )
    if not version.cycles & {None, str(interval)}:
        raise BusinessLogicError(
            f"billing_cycle: the plan has no line that is billed {interval}; choose the cadence of"
            " one of its lines",
            field="billing_cycle",
        )
    for every in sorted(version.every):
        if not Interval.parse(every).is_multiple_of(interval):
            raise BusinessLogicError(
                f"billing_cycle: the plan has a line that is billed {every}, which is no whole"
                f" number of {interval}; choose a shorter cycle that is",
                field="billing_cycle",
            )


def _listed(currencies: Sequence[Currency]) -> str:
    return " and ".join(each.code for each in currencies)


def check_addons(version: Version, addons: Sequence[Version]) -> None:
    """Raise where a plan and its add-ons are not what they are for, or have lines of one key.

    `ValidationError` for a plan that is an add-on, or the other way round; `ConflictError` for a
    line's key, or a meter, that is in two of them.
    """
    if version.kind != "plan":
        raise ValidationError(
            f"plan: {version.plan!r} is an add-on; it is bought beside a plan", field="plan"
        )
    taken = dict.fromkeys(_names(version), version.plan)
    for addon in addons:
        if addon.kind != "addon":
            raise ValidationError(
                f"addons.{addon.plan}: is a plan of its own, no add-on", field="addons"
            )
        for name in _names(addon):
            if name in taken:
                raise ConflictError(
                    f"addons.{addon.plan}: {taken[name]!r} has the {name} already", field="addons"
                )
            taken[name] = addon.plan


def _names(version: Version) -> list[str]:
    lines = [f"line {key!r}" for key in sorted(version.keys)]
    return [f"meter {slug!r}" for slug in sorted(version.meters)] + lines


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
    for index, subject in enumerate(subjects):
        with located(f"subjects[{index}]"):
            check_subject(subject)
    return tuple(sorted(subjects))


def _twice(names: Sequence[str]) -> Iterable[str]:
    return sorted({name for name in names if names.count(name) > 1})
