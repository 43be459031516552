"""`tollbook apply`: make a tenant what a file says."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.documents import read_document
from cli.options import Json, StateDir
from cli.tenants import open_database
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError

if TYPE_CHECKING:
    from subscriptions.setup import AppliedIds


def apply(
    file: Annotated[
        Path, typer.Argument(help="TOML: tenant, meters, plans, customers, subscriptions.")
    ],
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Create or update a tenant's meters, plans, customers and subscriptions from a file.

    All of it or nothing; the same file again changes nothing; nothing is ever removed. The API key
    is shown once, when the tenant gets its first one.

    Example: tollbook apply acme.toml
    """
    from core.clock import SystemClock
    from subscriptions.setup import apply_catalog

    document = read_document(file)
    with open_database(state_dir) as db:
        try:
            applied = apply_catalog(db, SystemClock(), document)
        except (ValidationError, ConflictError, NotFoundError, BusinessLogicError) as error:
            error.message = f"{file}: {error.message}"
            raise
    if as_json:
        print(json.dumps(asdict(applied), indent=2, default=str))
    else:
        _show(applied)


def _show(applied: AppliedIds) -> None:
    for change in applied.changes or ["nothing to change"]:
        print(change)
    if applied.api_key is not None:
        print(f"\nAPI key, shown only now:\n{applied.api_key}")
