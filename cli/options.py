"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARN", "ERROR"],
    typer.Option(envvar="TOLLBOOK_LOG_LEVEL", help="Least severe lines to log."),
]
TracesTo = Annotated[
    str | None,
    typer.Option(
        envvar="TOLLBOOK_TRACES_TO",
        help="file:PATH, or an OTLP collector's URL (…:4318/v1/traces). Default: no traces.",
    ),
]
TraceRatio = Annotated[
    float,
    typer.Option(min=0, max=1, envvar="TOLLBOOK_TRACE_RATIO", help="Share of traces that is kept."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; for scripts.")]
