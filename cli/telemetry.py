"""Logs, traces, metrics and health of a process: one set of options for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Serve /metrics, /livez and /readyz here (0: any free port). Default: not at all.",
    ),
]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a process says about itself, and where: settings of its entry point."""

    service: str
    log_level: str
    traces_to: str | None
    trace_ratio: float

    def start(self) -> None:
        """Set logs and traces up in this process."""
        from telemetry.logs import set_up_logs
        from telemetry.tracing import TraceSettings, start_tracing

        set_up_logs(self.service, self.log_level)
        traces = TraceSettings(self.traces_to, self.trace_ratio) if self.traces_to else None
        start_tracing(self.service, traces)
