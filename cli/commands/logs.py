"""`tollbook logs`: what a server wrote."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.options import StateDir as StateDirOption


class PartName(StrEnum):
    """The parts of the stack."""

    KAFKA = "kafka"
    CLICKHOUSE = "clickhouse"
    POSTGRES = "postgres"


def logs(
    part: Annotated[PartName, typer.Argument()],
    state_dir: StateDirOption = Path(".tollbook"),
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on while it grows.")] = False,
) -> None:
    """Print the end of a part's log.

    Example: tollbook logs kafka --lines 100 --follow
    """
    from infra.local.logs import follow_lines, tail_lines
    from infra.local.state import StateDir

    log = StateDir(state_dir).log(part)
    for line in tail_lines(log, lines):
        print(line)
    if follow:
        for line in follow_lines(log):
            print(line, flush=True)
