"""`tollbook lag`: how far counting is behind the log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, StateDir
from cli.output import print_json, print_table

if TYPE_CHECKING:
    from streams.lag import PartitionLag


def lag(
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            min=0, help="Exit with 1 when a partition is further behind, or cannot go on."
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Consumer group, where not the installation's own.")
    ] = None,
) -> None:
    """Show for each partition how far it is counted, how far behind, and whether it is halted.

    Example: tollbook lag --max-seconds 60 --json
    """
    from core.clock import SystemClock
    from infra.local.state import resolve_endpoints
    from streams.lag import read_lag

    found = read_lag(resolve_endpoints(os.environ, state_dir), SystemClock(), group)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if max_seconds is not None and any(
        part.seconds_behind > max_seconds or part.halted_at is not None or part.lost_records
        for part in found
    ):
        raise typer.Exit(1)


def _print(found: list[PartitionLag]) -> None:
    rows = [
        (
            f"{part.generation}/{part.partition}",
            str(part.log_end),
            str(part.proved),
            str(part.lag_records),
            f"{part.seconds_behind:.1f}",
            f"{part.commit_age_seconds:.1f}",
            _remark(part),
        )
        for part in found
    ]
    names = ("partition", "log end", "counted to", "lag", "seconds behind", "commit age", "")
    print_table(rows, names)


def _remark(part: PartitionLag) -> str:
    if part.lost_records:
        what = "after" if part.log_end < part.proved else "before"
        return f"LOST {part.lost_records} records {what} they were counted"
    if part.halted_at is not None:
        return f"HALTED at offset {part.halted_at}: {part.halted_because}"
    return ""
