"""Options of the serving commands, each with what comes of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import LogLevel, StateDir, TraceRatio, TracesTo
from cli.telemetry import Telemetry

if TYPE_CHECKING:
    from api.management import ManagementSettings
    from cli.serving import CreateApp
    from core.endpoints import Endpoints
    from identity.tokens import TokenIssuer
    from ingest.settings import IngestSettings

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes that share the port.")]
Connections = Annotated[int, typer.Option(min=1, help="Most connections of each process.")]
DefaultRate = Annotated[
    str | None, typer.Option(help="A second, RATE or RATE:BURST, where none is stored.")
]
TokenIssuerName = Annotated[
    str | None,
    typer.Option(
        envvar="TOLLBOOK_TOKEN_ISSUER", help="Take tokens (JWT), too, of this issuer: their `iss`."
    ),
]
TokenAudience = Annotated[
    str | None, typer.Option(envvar="TOLLBOOK_TOKEN_AUDIENCE", help="What their `aud` must say.")
]
TokenKeysUrl = Annotated[
    str | None,
    typer.Option(envvar="TOLLBOOK_TOKEN_KEYS", help="Where the issuer's keys are: https://….json"),
]


@dataclass(frozen=True, slots=True)
class StateOptions:
    """Where the installation is found, and where its processes keep files."""

    state_dir: StateDir = Path(".tollbook")

    def endpoints(self) -> Endpoints:
        """The servers: those that the environment names, else those of the local stack."""
        from infra.local.state import resolve_endpoints

        return resolve_endpoints(os.environ, self.state_dir)

    def folder(self, process: str) -> Path:
        """Of one process."""
        return self.state_dir.absolute() / process


@dataclass(frozen=True, slots=True)
class TelemetryOptions:
    """What a process says about itself, and where."""

    log_level: LogLevel = "INFO"
    traces_to: TracesTo = None
    trace_ratio: TraceRatio = 0.01

    def telemetry(self, service: str) -> Telemetry:
        """Of one process."""
        return Telemetry(service, self.log_level, self.traces_to, self.trace_ratio)


@dataclass(frozen=True, slots=True)
class HttpOptions(TelemetryOptions):
    """How a process speaks HTTP; its port is its own."""

    host: Host = "127.0.0.1"
    workers: Workers = 1
    connections: Connections = 2_000

    def serve(self, service: str, create: CreateApp, port: int) -> None:
        """Serve until SIGTERM. `create` is called in each process, so it must be picklable."""
        from api.connections import ConnectionLimits
        from cli.serving import serve_http

        arm()
        limits = ConnectionLimits(self.connections)
        serve_http(create, self.telemetry(service), self.host, port, self.workers, limits)


@dataclass(frozen=True, slots=True)
class DefaultRates:
    """Limits of every process that takes events; they share the file of keys."""

    key_events: DefaultRate = None
    key_bytes: DefaultRate = None
    tenant_events: DefaultRate = None
    tenant_bytes: DefaultRate = None

    def ingest_settings(self, state: StateOptions) -> IngestSettings:
        """What the process needs to know. Raises `ValidationError`."""
        from cli.rates import limits_of_options
        from ingest.settings import IngestSettings

        return IngestSettings(
            endpoints=state.endpoints(),
            snapshot_path=state.folder("ingest") / "catalog.json",
            key_limits=limits_of_options("--key", self.key_events, self.key_bytes),
            tenant_limits=limits_of_options("--tenant", self.tenant_events, self.tenant_bytes),
        )


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """Whose tokens are taken beside keys: nobody's unless told."""

    token_issuer: TokenIssuerName = None
    token_audience: TokenAudience = None
    token_keys: TokenKeysUrl = None

    def management_settings(self, state: StateOptions, process: str) -> ManagementSettings:
        """What a process of the management API needs to know. Raises `ValidationError`."""
        from api.management import ManagementSettings

        return ManagementSettings(
            endpoints=state.endpoints(),
            snapshot_path=state.folder(process) / "catalog.json",
            tokens=self._issuer(),
        )

    def _issuer(self) -> TokenIssuer | None:
        from core.errors import ValidationError
        from identity.tokens import TokenIssuer

        issuer, audience, keys = self.token_issuer, self.token_audience, self.token_keys
        if not (issuer or audience or keys):
            return None
        if issuer is None or audience is None or keys is None:
            raise ValidationError(
                "--token-issuer, --token-audience, --token-keys: give all three, or none",
                field="token_issuer",
            )
        return TokenIssuer(issuer, audience, keys)


def arm() -> None:
    """Let a test say where this process dies."""
    from core.faults import arm as arm_fault

    if fault := os.environ.get("TOLLBOOK_FAULT"):
        arm_fault(fault)
