"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StateDir = Annotated[
    Path,
    typer.Option(
        "--state-dir",
        envvar="TOLLBOOK_STATE_DIR",
        help="Where the local stack keeps its state; several stacks live side by side.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Default: a free port, chosen once and kept."),
]
