"""`tollbook move-in`: customers and running subscriptions of another system, from files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.options import Json, StateDir
from cli.output import print_table
from cli.tenants import TenantSlug, open_database, tenant_transaction

if TYPE_CHECKING:
    from subscriptions.moving.move_in import RowReport, Totals

_SAID_MAX: Final = 50
"""Rows that are told one by one; --json tells all."""


def move_in(
    folder: Annotated[
        Path, typer.Argument(help="With customers, subjects, subscriptions: .csv or .ndjson.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try it, change nothing.")] = False,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="A row that is refused keeps all others out.")
    ] = False,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Bring customers, subjects and subscriptions in, in the middle of their periods.

    Nothing before a subscription's billed_through is ever billed here, and no fee in advance for a
    period that began before its advance_billed_until. What is there already is compared and stays,
    so a run that was killed is just run again. Exit code 1 where rows were refused, or differ from
    what is there. With --json each row is a line, the totals the last one.

    Example: tollbook move-in old-system/ --dry-run
    """
    from cli.progress import counting
    from core.acting import OPERATOR, Acting
    from core.clock import SystemClock
    from subscriptions.moving.move_in import move_in as bring_in
    from subscriptions.moving.move_in import tables_of

    tables, said = tables_of(folder), _Teller(as_json)
    with tenant_transaction(state_dir, tenant, snapshot=True) as (_, tenant_id):
        acting = Acting(tenant_id, OPERATOR)
    with open_database(state_dir) as db, counting("rows") as progress:

        def tell(report: RowReport) -> None:
            said.tell(report)
            progress(1)

        totals = bring_in(
            db,
            SystemClock(),
            acting,
            tables,
            tell,
            dry_run=dry_run,
            all_or_nothing=all_or_nothing,
        )
    _show(totals, as_json, dry_run=dry_run)
    if not totals.clean:
        raise typer.Exit(1)


class _Teller:
    """Tells every row to programs, and to people the first of those that did not come in."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._said = 0

    def tell(self, report: RowReport) -> None:
        if self._as_json:
            print(_line(report.as_resource()))
        elif report.outcome in {"refused", "different"}:
            self._said += 1
            if self._said <= _SAID_MAX:
                what = report.message or f"{report.name!r} is there with other {_and(report)}"
                print(f"{report.file}:{report.line}: {what}", file=sys.stderr)
            elif self._said == _SAID_MAX + 1:
                print("… and more: --json tells all", file=sys.stderr)


def _and(report: RowReport) -> str:
    return ", ".join(report.fields)


def _line(resource: dict[str, Any]) -> str:
    return json.dumps(resource, ensure_ascii=False)


def _show(totals: Totals, as_json: bool, *, dry_run: bool) -> None:
    if as_json:
        print(_line(totals.as_resource()))
        return
    outcomes = ("created", "equal", "different", "refused")
    rows = [
        (kind, *(f"{counts[each]:,}" for each in outcomes))
        for kind, counts in totals.counts.items()
    ]
    print_table(rows, ("", *outcomes), outcomes)
    if not totals.kept:
        print("nothing was changed" if dry_run else "nothing was kept: mend the rows above")
