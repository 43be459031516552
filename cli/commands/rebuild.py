"""`tollbook rebuild`: everything derived from the log dropped and made again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, StateDir, Yes


def rebuild(
    state_dir: StateDir = Path(".tollbook"),
    usage_only: Annotated[
        bool, typer.Option("--usage-only", help="Totals alone, from the stored events.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop the tables that are derived from the log, and make them again from Kafka.

    Stop all workers first; one of its own reads the log again, and you may start others beside it.
    Meanwhile answers cover only what was read again, so no period should be closed. Interrupted, it
    is finished by workers and `tollbook compact`, or by doing it again. Refused, with nothing
    changed, where the log does not reach back to its beginning.

    Example: tollbook rebuild --yes
    """
    from cli.commands.compact import report
    from cli.refilling import compacted, refilled
    from infra.local.state import resolve_endpoints
    from streams.rebuild.rebuild import drop_everything, drop_usage

    endpoints = resolve_endpoints(os.environ, state_dir)
    if not yes:
        what = "all totals" if usage_only else "all events, totals and proofs"
        typer.confirm(f"Empty {what} in ClickHouse and make them again?", abort=True, err=True)
    if usage_only:
        drop_usage(endpoints)
    else:
        refilled(endpoints, state_dir, drop_everything(endpoints))
    report(*compacted(endpoints, state_dir), as_json=as_json)
