"""`tollbook catalog`: what is sold, as files: exported, compared, applied."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.catalog_files import read_catalog, write_catalog
from cli.options import Json, StateDir
from cli.tenants import TenantSlug, tenant_clock, tenant_transaction
from core.errors import TollbookError

if TYPE_CHECKING:
    from catalog.files.applying import CatalogReport

app = typer.Typer(help="Keep meters, features and plans as files.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="A folder of TOML or JSON files, or one file.")]
Draft = Annotated[
    bool, typer.Option("--draft", help="Write plans as drafts; nothing of them is sold.")
]
Prune = Annotated[bool, typer.Option("--prune", help="Archive what is sold and stands in no file.")]

_TROUBLE: Final = 2
"""The exit code of a comparison that found something impossible, or none could be made."""


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to; it is made if missing.")],
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Write what can be sold down as files: meters, features, plans as they are sold.

    Example: tollbook catalog export catalog/
    """
    from catalog.files.export import catalog_of

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        found = catalog_of(conn, tenant_id)
    written = [str(file) for file in write_catalog(found, folder)]
    if as_json:
        print(json.dumps({"files": written}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(written) or "there is nothing to export")


@app.command()
def diff(
    folder: Folder,
    draft: Draft = False,
    prune: Prune = False,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Tell what `apply` would do. Exit code 0: nothing, 1: something, 2: it cannot.

    Example: tollbook catalog diff catalog/
    """
    try:
        report = _compared(folder, tenant, state_dir, draft=draft, prune=prune)
    except TollbookError as error:
        print(f"error: {error.message}", file=sys.stderr)
        raise typer.Exit(_TROUBLE) from error
    _show(report, as_json)
    if report.refusals:
        raise typer.Exit(_TROUBLE)
    raise typer.Exit(int(report.differs))


@app.command()
def apply(
    folder: Folder,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try it, change nothing.")] = False,
    draft: Draft = False,
    prune: Prune = False,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Make meters, features and plans what the files say: all of it, or nothing.

    The same files again change nothing. Changed plans are sold from now on, in new versions; who
    bought an earlier one keeps it. Nothing is archived unless you say --prune.

    Example: tollbook catalog apply catalog/ --dry-run
    """
    from catalog.files.applying import Wish, apply_documents

    if dry_run:
        report = _compared(folder, tenant, state_dir, draft=draft, prune=prune)
    else:
        sources = read_catalog(folder)
        with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
            wish = Wish(draft=draft, prune=prune)
            report = apply_documents(conn, tenant_clock(conn, tenant_id), tenant_id, sources, wish)
    _show(report, as_json)
    if report.refusals:
        raise typer.Exit(1)


def _compared(
    folder: Path, tenant: str | None, state_dir: Path, *, draft: bool, prune: bool
) -> CatalogReport:
    from catalog.files.applying import Wish, compare_documents

    sources = read_catalog(folder)
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        wish = Wish(draft=draft, prune=prune)
        return compare_documents(conn, tenant_clock(conn, tenant_id), tenant_id, sources, wish)


def _show(report: CatalogReport, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.as_resource(), indent=2, ensure_ascii=False))
        return
    for each in report.findings:
        if each.outcome == "unchanged" and not each.lines:
            continue
        number = "" if each.version is None else f" {each.version}"
        print(f"{each.outcome}{number}: {each.kind} {each.slug}")
        for line in each.lines:
            print(f"    {line}")
    if not report.differs:
        print("nothing to change")
