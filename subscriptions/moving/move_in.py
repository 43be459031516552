"""Moving in: all rows of a folder, in batches, each told what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from psycopg import Rollback

from core.acting import Acting
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.ids import TenantId
from db.postgres import Connection, Database
from identity.sandboxes import clock_of
from subscriptions.life.create import hold_limit
from subscriptions.moving.bringing import (
    Brought,
    bring_customer,
    bring_subject,
    bring_subscription,
)
from subscriptions.moving.rows import (
    CUSTOMER_COLUMNS,
    SUBJECT_COLUMNS,
    SUBSCRIPTION_COLUMNS,
    customer_of,
    subject_of,
    subscription_of,
)
from subscriptions.moving.tables import Row, Table

BATCH: Final = 200
"""Rows of one transaction."""

_REFUSALS: Final = (ValidationError, ConflictError, NotFoundError, BusinessLogicError)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of table: its columns, how a row is read, and what is done with it."""

    columns: Sequence[str]
    needed: Sequence[str]
    name: str
    read: Callable[..., Any]
    bring: Callable[[Connection, Clock, TenantId, Any], Brought]


_KINDS: Final[Mapping[str, _Kind]] = {
    "customers": _Kind(
        CUSTOMER_COLUMNS, ("slug", "currency"), "slug", customer_of, bring_customer
    ),
    "subjects": _Kind(
        SUBJECT_COLUMNS, ("customer", "subject"), "subject", subject_of, bring_subject
    ),
    "subscriptions": _Kind(
        SUBSCRIPTION_COLUMNS,
        ("slug", "customer", "plan", "start"),
        "slug",
        subscription_of,
        bring_subscription,
    ),
}  # fmt: skip
"""In the order in which later ones refer to earlier ones."""

_SUFFIXES: Final = (".csv", ".ndjson")


@dataclass(frozen=True, slots=True)
class RowReport:
    """What became of a row, or would: `created`, `equal`, `different` (stays), `refused`.

    `fields` are those that differ, or the one that is wrong; `message` says why it is refused.
    """

    file: str
    line: int
    kind: str
    name: str
    outcome: str
    fields: tuple[str, ...] = ()
    message: str = ""

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown."""
        return {
            "file": self.file,
            "line": self.line,
            "kind": self.kind,
            "name": self.name,
            "outcome": self.outcome,
            "fields": list(self.fields),
            "message": self.message,
        }


@dataclass(slots=True)
class Totals:
    """How many rows of each kind came to what; `kept` is whether anything was written for good."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    kept: bool = True

    @property
    def refused(self) -> int:
        """Rows that were refused."""
        return sum(each["refused"] for each in self.counts.values())

    @property
    def clean(self) -> bool:
        """Whether all is here now as the files say."""
        return not self.refused and not any(each["different"] for each in self.counts.values())

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown."""
        counts = {kind: dict(sorted(each.items())) for kind, each in self.counts.items()}
        return {"totals": counts, "kept": self.kept}


def tables_of(folder: Path) -> list[Table]:
    """The tables of a folder, in their order, each with columns that are known.

    Raises `ValidationError` for a folder without tables, or with one that is none of ours.
    """
    if not folder.is_dir():
        raise ValidationError(f"{folder}: is no folder; give one with {_names()}")
    found: dict[str, Table] = {}
    for path in sorted(each for each in folder.iterdir() if each.suffix in _SUFFIXES):
        if path.stem not in _KINDS:
            raise ValidationError(f"{path.name}: is none of {_names()}; rename or remove it")
        if path.stem in found:
            raise ValidationError(f"{path.name}: {found[path.stem].path.name} is there, too")
        kind = _KINDS[path.stem]
        found[path.stem] = Table(path, path.stem, kind.columns, kind.needed)
    if not found:
        raise ValidationError(f"{folder}: there is nothing in it; write {_names()}")
    tables = [found[kind] for kind in _KINDS if kind in found]
    for table in tables:
        table.check()
    return tables


def _names() -> str:
    return ", ".join(f"{kind}.csv" for kind in _KINDS) + " (or .ndjson)"


def move_in(
    db: Database,
    machine: Clock,
    acting: Acting,
    tables: Sequence[Table],
    tell: Callable[[RowReport], None],
    *,
    dry_run: bool = False,
    all_or_nothing: bool = False,
) -> Totals:
    """Bring all rows in; `tell` takes what became of each.

    A row that is refused keeps no other one from coming in, unless `all_or_nothing`. Rows that are
    in already are compared, and change nothing: a run that was killed is just run again. A
    `dry_run` does the same, and takes all of it back.
    """
    totals = Totals({table.kind: Counter() for table in tables}, kept=not dry_run)
    if not (dry_run or all_or_nothing):
        for batch in _batches(tables):
            with db.transaction(acting) as conn:
                _hold_limit(conn, acting, [table for table, _ in batch])
                clock = clock_of(conn, machine, acting.tenant_id)
                reports = [_report(conn, clock, acting.tenant_id, *each) for each in batch]
            _count(reports, totals, tell)  # once they are there for good
        return totals
    with db.transaction(acting) as conn, conn.transaction():
        _hold_limit(conn, acting, tables)
        clock = clock_of(conn, machine, acting.tenant_id)
        for batch in _batches(tables):
            reports = [_report(conn, clock, acting.tenant_id, *each) for each in batch]
            _count(reports, totals, tell)
        totals.kept = not dry_run and not totals.refused
        if not totals.kept:
            raise Rollback
    return totals


def _hold_limit(conn: Connection, acting: Acting, tables: Sequence[Table]) -> None:
    """Before any customer is locked, where these tables bring subscriptions."""
    if any(table.kind == "subscriptions" for table in tables):
        hold_limit(conn, acting.tenant_id)


def _batches(tables: Sequence[Table]) -> Iterator[list[tuple[Table, Row]]]:
    rows = ((table, row) for table in tables for row in table.rows())
    while batch := list(islice(rows, BATCH)):
        yield batch


def _count(reports: Sequence[RowReport], totals: Totals, tell: Callable[[RowReport], None]) -> None:
    for report in reports:
        totals.counts[report.kind][report.outcome] += 1
        tell(report)


def _report(
    conn: Connection, clock: Clock, tenant_id: TenantId, table: Table, row: Row
) -> RowReport:
    kind = _KINDS[table.kind]
    name = row.fields.get(kind.name)
    where = (table.path.name, row.line, table.kind, name if isinstance(name, str) else "")
    try:
        if row.problem is not None:
            raise row.problem
        read = kind.read(row.fields, is_csv=table.is_csv)
        with conn.transaction():
            outcome, fields = kind.bring(conn, clock, tenant_id, read)
    except _REFUSALS as refusal:
        wrong = str(refusal.details.get("field") or refusal.message.partition(":")[0])
        return RowReport(*where, "refused", (wrong,), refusal.message)
    return RowReport(*where, outcome, fields)
