"""`tollbook serve`: the long-running processes, each in the foreground until SIGTERM."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import LogLevel, StateDir, TraceRatio, TracesTo
from cli.telemetry import MetricsPort, Telemetry

if TYPE_CHECKING:
    from identity.tokens import TokenIssuer
    from ingest.settings import IngestSettings

app = typer.Typer(help="Run a process in the foreground.", no_args_is_help=True)

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
        "--token-issuer",
        envvar="TOLLBOOK_TOKEN_ISSUER",
        help="Take tokens (JWT), too, of this issuer: their `iss`.",
    ),
]
TokenAudience = Annotated[
    str | None,
    typer.Option(
        "--token-audience", envvar="TOLLBOOK_TOKEN_AUDIENCE", help="What their `aud` must say."
    ),
]
TokenKeysUrl = Annotated[
    str | None,
    typer.Option(
        "--token-keys",
        envvar="TOLLBOOK_TOKEN_KEYS",
        help="Where the issuer's keys are: https://….json",
    ),
]


@app.command()
def ingest(
    state_dir: StateDir = Path(".tollbook"),
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Workers = 1,
    connections: Connections = 2_000,
    key_events: DefaultRate = None,
    key_bytes: DefaultRate = None,
    tenant_events: DefaultRate = None,
    tenant_bytes: DefaultRate = None,
    log_level: LogLevel = "INFO",
    traces_to: TracesTo = None,
    trace_ratio: TraceRatio = 0.01,
) -> None:
    """Take usage events over HTTP and put them into the log.

    Prints its URL once it listens. On SIGTERM it answers the requests under way, then ends.

    Example: tollbook serve ingest --port 8080 --workers 2
    """
    from api.connections import ConnectionLimits
    from api.ingest_app import create_ingest_app
    from cli.serving import serve_http

    _arm()
    rates = (key_events, key_bytes, tenant_events, tenant_bytes)
    telemetry = Telemetry("ingest", log_level, traces_to, trace_ratio)
    create = partial(create_ingest_app, _ingest_settings(state_dir, *rates))
    serve_http(create, telemetry, host, port, workers, ConnectionLimits(connections))


@app.command()
def compat(
    state_dir: StateDir = Path(".tollbook"),
    host: Host = "127.0.0.1",
    port: Port = 8095,
    workers: Workers = 1,
    connections: Connections = 2_000,
    key_events: DefaultRate = None,
    key_bytes: DefaultRate = None,
    tenant_events: DefaultRate = None,
    tenant_bytes: DefaultRate = None,
    log_level: LogLevel = "INFO",
    traces_to: TracesTo = None,
    trace_ratio: TraceRatio = 0.01,
) -> None:
    """Serve clients of OpenMeter, Lago, Stripe and Flexprice, who change their base URL only.

    Example: tollbook serve compat --port 8095
    """
    from api.compat_app import create_compat_app
    from api.connections import ConnectionLimits
    from cli.serving import serve_http

    rates = (key_events, key_bytes, tenant_events, tenant_bytes)
    telemetry = Telemetry("compat", log_level, traces_to, trace_ratio)
    create = partial(create_compat_app, _ingest_settings(state_dir, *rates))
    serve_http(create, telemetry, host, port, workers, ConnectionLimits(connections))


@app.command()
def api(
    state_dir: StateDir = Path(".tollbook"),
    host: Host = "127.0.0.1",
    port: Port = 8090,
    workers: Workers = 1,
    connections: Connections = 2_000,
    token_issuer: TokenIssuerName = None,
    token_audience: TokenAudience = None,
    token_keys: TokenKeysUrl = None,
    log_level: LogLevel = "INFO",
    traces_to: TracesTo = None,
    trace_ratio: TraceRatio = 0.01,
) -> None:
    """Serve the management API: meters, created and changed while events flow, and what changed.

    Example: tollbook serve api --port 8090
    """
    from api.connections import ConnectionLimits
    from api.management_app import ManagementSettings, create_management_app
    from cli.serving import serve_http
    from infra.local.state import resolve_endpoints

    _arm()
    settings = ManagementSettings(
        endpoints=resolve_endpoints(os.environ, state_dir),
        snapshot_path=state_dir.absolute() / "api" / "catalog.json",
        tokens=_token_issuer(token_issuer, token_audience, token_keys),
    )
    telemetry = Telemetry("api", log_level, traces_to, trace_ratio)
    create = partial(create_management_app, settings)
    serve_http(create, telemetry, host, port, workers, ConnectionLimits(connections))


def _token_issuer(
    issuer: str | None, audience: str | None, keys_url: str | None
) -> TokenIssuer | None:
    """Whose tokens are taken; None unless one is named. Raises `ValidationError`."""
    from core.errors import ValidationError
    from identity.tokens import TokenIssuer

    given = [each for each in (issuer, audience, keys_url) if each]
    if not given:
        return None
    if issuer is None or audience is None or keys_url is None:
        raise ValidationError(
            "--token-issuer, --token-audience, --token-keys: give all three, or none",
            field="token_issuer",
        )
    return TokenIssuer(issuer, audience, keys_url)


@app.command()
def streams(
    worker_id: Annotated[str, typer.Option(help="Tells workers of one machine apart.")],
    state_dir: StateDir = Path(".tollbook"),
    group: Annotated[
        str | None, typer.Option(help="Shadow the other workers as a consumer group of its own.")
    ] = None,
    hot_keys: Annotated[
        int,
        typer.Option(
            min=1,
            help="Dedupe keys of each partition in memory, 31 bytes each; more of"
            " them are kept on disk.",
        ),
    ] = 16_000_000,
    metrics_port: MetricsPort = None,
    metrics_host: Host = "127.0.0.1",
    log_level: LogLevel = "INFO",
    traces_to: TracesTo = None,
    trace_ratio: TraceRatio = 0.01,
) -> None:
    """Meter the log into ClickHouse, together with all other workers of the installation.

    Example: tollbook serve streams --worker-id a
    """
    from infra.local.state import resolve_endpoints
    from streams.settings import IndexSettings, StreamSettings
    from streams.worker import run

    _arm()
    Telemetry("streams", log_level, traces_to, trace_ratio).start()
    run(
        StreamSettings(
            endpoints=resolve_endpoints(os.environ, state_dir),
            worker_id=worker_id,
            data_dir=state_dir.absolute() / "streams" / worker_id,
            group=group,
            index=IndexSettings(hot_keys_max=hot_keys),
            metrics_port=metrics_port,
            metrics_host=metrics_host,
        )
    )


@app.command()
def bridge(
    worker_id: Annotated[str, typer.Option(help="Tells bridges apart.")],
    state_dir: StateDir = Path(".tollbook"),
    topic: Annotated[
        str | None, typer.Option(help="Full name of the topic to read; the inbox if not given.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Whose topic it is; if not given, each record says it.")
    ] = None,
    metrics_port: MetricsPort = None,
    metrics_host: Host = "127.0.0.1",
    log_level: LogLevel = "INFO",
) -> None:
    """Carry CloudEvents that others wrote to Kafka into the log, each exactly once in effect.

    Example: tollbook serve bridge --worker-id a
    """
    from infra.local.state import resolve_endpoints
    from streams.bridge.inbox import read_tenant
    from streams.bridge.process import BridgeSettings, run_bridge
    from streams.health import serve_bridge

    _arm()
    Telemetry("bridge", log_level, None, 0).start()
    if metrics_port is not None:
        typer.echo(f"metrics at {serve_bridge(metrics_host, metrics_port).url}")
    run_bridge(
        BridgeSettings(
            endpoints=resolve_endpoints(os.environ, state_dir),
            worker_id=worker_id,
            topic=topic,
            tenant_id=read_tenant(tenant, "--tenant") if tenant else None,
        )
    )


def _ingest_settings(
    state_dir: Path,
    key_events: str | None,
    key_bytes: str | None,
    tenant_events: str | None,
    tenant_bytes: str | None,
) -> IngestSettings:
    """Of every process that takes events: they share the file of limits."""
    from cli.rates import limits_of_options
    from infra.local.state import resolve_endpoints
    from ingest.settings import IngestSettings

    return IngestSettings(
        endpoints=resolve_endpoints(os.environ, state_dir),
        snapshot_path=state_dir.absolute() / "ingest" / "catalog.json",
        key_limits=limits_of_options("--key", key_events, key_bytes),
        tenant_limits=limits_of_options("--tenant", tenant_events, tenant_bytes),
    )


def _arm() -> None:
    """Let a test say where this process dies."""
    from core.faults import arm

    if fault := os.environ.get("TOLLBOOK_FAULT"):
        arm(fault)
