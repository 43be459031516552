"""`tollbook verify`: prove that every stored total equals its events."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Json, StateDir
from cli.output import print_table


def verify(
    chunks: Annotated[
        str | None,
        typer.Option(help="GENERATION/PARTITION:FIRST-LAST: only these chunks, such as 1/0:40-47."),
    ] = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Recompute every total from the raw events, and balance the ledger with them.

    Exits with 1 when anything differs, and names the chunk and the cell.

    Example: tollbook verify --chunks 1/0:40-47
    """
    from rich.console import Console
    from rich.progress import Progress

    from catalog.snapshot import SnapshotSource
    from infra.local.state import resolve_endpoints
    from usage.verify import ChunkRange
    from usage.verify import verify as run

    some = None if chunks is None else ChunkRange.parse(chunks)
    endpoints = resolve_endpoints(os.environ, state_dir)
    cache = state_dir.absolute() / "verify" / "catalog.json"
    snapshot = SnapshotSource(endpoints.postgres, cache).load()
    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("events", total=None)
        report = run(
            endpoints.clickhouse,
            snapshot.meters,
            lambda done, of: bars.update(task, completed=done, total=of),
            some,
        )
    if as_json:
        print(json.dumps(asdict(report) | {"totals": report.totals}, default=str, indent=2))
    else:
        _print(report.partitions, report.totals)
        print(
            f"{report.chunks_checked} complete chunks recomputed, {report.rows_checked} totals"
            f" compared: {len(report.differences)} differences"
        )
        for difference in report.differences[:20]:
            print(f"  {difference.what} {difference.cell}")
            print(f"    stored {difference.stored}, recomputed {difference.recomputed}")
    if report.differences:
        raise typer.Exit(1)


def _print(partitions: list[dict[str, Any]], totals: dict[str, int]) -> None:
    names = ("records", "events", "accepted", "duplicates", "conflicts", "rejected")
    rows = [
        [f"{part['generation']}/{part['partition']}", *(str(part[name]) for name in names)]
        for part in partitions
    ]
    print_table([*rows, ["all", *(str(totals[name]) for name in names)]], ["partition", *names])
