"""Many subscriptions moved to another version of their plan: tried first, in batches, reported.

It is also how a changed price reaches who subscribed before: the new version from a date on, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sql
from core.acting import Acting
from core.clock import Clock
from core.errors import TollbookError
from core.ids import TenantId, format_id
from db.postgres import Connection, Database
from identity.sandboxes import clock_of
from subscriptions.commands import Change
from subscriptions.commands.base import When
from subscriptions.customers.customer import lock_customers
from subscriptions.life.checks import Version, find_version, version_ids
from subscriptions.life.operate import bring_up_to_date, lock, perform

BATCH: Final = 200
"""Subscriptions of one transaction."""

REFUSED_MAX: Final = 1_000
"""Refusals that are reported one by one; the others are counted."""

_NIL: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A subscription that stays where it is, and why."""

    subscription: str
    code: str
    message: str


@dataclass(slots=True)
class MigrationReport:
    """What became of the subscriptions of a plan, or, of a dry run, what would."""

    plan: str
    version: int
    dry_run: bool
    moved: int = 0
    unchanged: int = 0
    refused_count: int = 0
    refused: list[Refusal] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many were looked at."""
        return self.moved + self.unchanged + self.refused_count

    def with_(self, other: MigrationReport) -> MigrationReport:
        """Both together."""
        return MigrationReport(
            self.plan,
            self.version,
            self.dry_run,
            self.moved + other.moved,
            self.unchanged + other.unchanged,
            self.refused_count + other.refused_count,
            [*self.refused, *other.refused][:REFUSED_MAX],
        )

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "plan": self.plan,
            "version": self.version,
            "dry_run": self.dry_run,
            "moved": self.moved,
            "unchanged": self.unchanged,
            "refused_count": self.refused_count,
            "refused": [
                {"subscription": each.subscription, "code": each.code, "message": each.message}
                for each in self.refused
            ],
        }


def migrate(
    db: Database,
    clock: Clock,
    acting: Acting,
    plan: str,
    *,
    number: int | None = None,
    when: When = "period_end",
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> MigrationReport:
    """Move all live subscriptions of a plan to one of its versions, the newest without a number.

    At once, at the end of the period of each, or from an instant on. Whoever has that version then
    is left alone, so a run that was killed is just run again. What is planned of other plans stays;
    what is planned of this one moves, too. `progress` takes how many were
    looked at. Raises `NotFoundError` for the plan or its version.
    """
    report, after = None, _NIL
    while True:
        found, last = migrate_batch(
            db, clock, acting, plan, number=number, when=when, dry_run=dry_run, after=after
        )
        report = found if report is None else report.with_(found)
        progress(found.count)
        if last is None:
            return report
        after = last


def migrate_batch(
    db: Database,
    clock: Clock,
    acting: Acting,
    plan: str,
    *,
    number: int | None = None,
    when: When = "period_end",
    dry_run: bool = False,
    after: UUID | None = None,
) -> tuple[MigrationReport, UUID | None]:
    """The same for at most `BATCH` subscriptions behind `after`, by id, in one transaction.

    One that is refused keeps none of the others. Returns the report and where the next batch goes
    on, None at the end.
    """
    with db.transaction(acting) as conn, conn.transaction(force_rollback=dry_run):
        version = find_version(conn, acting.tenant_id, plan=plan, number=number)
        report = MigrationReport(plan, version.number, dry_run)
        clock = clock_of(conn, clock, acting.tenant_id)
        rows = _candidates(conn, acting.tenant_id, version, after or _NIL)
        lock_customers(conn, acting.tenant_id, sorted({row["customer_id"] for row in rows}))
        versions = frozenset(version_ids(conn, acting.tenant_id, version.plan_id))
        for row in rows:
            _move(conn, clock, acting.tenant_id, row, version, versions, when, report)
    return report, rows[-1]["id"] if len(rows) == BATCH else None


def _candidates(
    conn: Connection, tenant_id: TenantId, version: Version, after: UUID
) -> list[dict[str, Any]]:
    return conn.execute(
        sql.load("postgres/queries/select_plan_subscriptions"),
        {"tenant_id": tenant_id, "plan_id": version.plan_id, "after": after, "limit": BATCH},
    ).fetchall()


def _move(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    row: dict[str, Any],
    version: Version,
    versions: frozenset[UUID],
    when: When,
    report: MigrationReport,
) -> None:
    at = _not_before_now(when, clock)
    command = Change(version.id, when=at, keeps=version.agreed, only=versions)
    name = format_id("sub", row["id"])
    try:
        with conn.transaction():
            known = bring_up_to_date(conn, clock, lock(conn, tenant_id, name), clock.now())
            found = perform(conn, clock, tenant_id, name, command)
    except TollbookError as error:
        report.refused_count += 1
        if len(report.refused) < REFUSED_MAX:
            report.refused.append(Refusal(row["slug"], error.code, error.message))
        return
    if found.revision == known.revision:
        report.unchanged += 1
    else:
        report.moved += 1


def _not_before_now(when: When, clock: Clock) -> When:
    """An instant that has passed meanwhile means now."""
    return max(when, clock.now()) if isinstance(when, datetime) else when
