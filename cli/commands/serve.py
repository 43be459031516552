"""`tollbook serve`: the long-running processes, each in the foreground until SIGTERM."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from cli.option_groups import grouped
from cli.options import LogLevel
from cli.serve_options import (
    DefaultRates,
    Host,
    HttpOptions,
    Port,
    StateOptions,
    TelemetryOptions,
    TokenOptions,
    arm,
)
from cli.telemetry import MetricsPort, Telemetry

app = typer.Typer(help="Run a process in the foreground.", no_args_is_help=True)


@app.command()
@grouped
def ingest(state: StateOptions, http: HttpOptions, rates: DefaultRates, port: Port = 8080) -> None:
    """Take usage events over HTTP and put them into the log.

    Prints its URL once it listens. On SIGTERM it answers the requests under way, then ends.

    Example: tollbook serve ingest --port 8080 --workers 2
    """
    from api.ingest_app import create_ingest_app

    http.serve("ingest", partial(create_ingest_app, rates.ingest_settings(state)), port)


@app.command()
@grouped
def compat(state: StateOptions, http: HttpOptions, rates: DefaultRates, port: Port = 8095) -> None:
    """Serve clients of OpenMeter, Lago, Stripe and Flexprice, who change their base URL only.

    Example: tollbook serve compat --port 8095
    """
    from api.compat_app import create_compat_app

    http.serve("compat", partial(create_compat_app, rates.ingest_settings(state)), port)


@app.command()
@grouped
def api(state: StateOptions, http: HttpOptions, tokens: TokenOptions, port: Port = 8090) -> None:
    """Serve the management API: meters, created and changed while events flow, and what changed.

    Example: tollbook serve api --port 8090
    """
    from api.management_app import create_management_app

    settings = tokens.management_settings(state, "api")
    http.serve("api", partial(create_management_app, settings), port)


@app.command()
@grouped
def subscriptions(
    state: StateOptions, http: HttpOptions, tokens: TokenOptions, port: Port = 8081
) -> None:
    """Serve that part of the management API which says who pays, and for what.

    Customers, their subjects and payment methods, subscriptions, contracts.

    Example: tollbook serve subscriptions --port 8081
    """
    from api.subscriptions_app import create_subscriptions_app

    settings = tokens.management_settings(state, "subscriptions")
    http.serve("subscriptions", partial(create_subscriptions_app, settings), port)


@app.command()
@grouped
def streams(
    worker_id: Annotated[str, typer.Option(help="Tells workers of one machine apart.")],
    state: StateOptions,
    telemetry: TelemetryOptions,
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
) -> None:
    """Meter the log into ClickHouse, together with all other workers of the installation.

    Example: tollbook serve streams --worker-id a
    """
    from streams.settings import IndexSettings, StreamSettings
    from streams.worker import run

    arm()
    telemetry.telemetry("streams").start()
    run(
        StreamSettings(
            endpoints=state.endpoints(),
            worker_id=worker_id,
            data_dir=state.folder("streams") / worker_id,
            group=group,
            index=IndexSettings(hot_keys_max=hot_keys),
            metrics_port=metrics_port,
            metrics_host=metrics_host,
        )
    )


@app.command()
@grouped
def bridge(
    worker_id: Annotated[str, typer.Option(help="Tells bridges apart.")],
    state: StateOptions,
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
    from streams.bridge.inbox import read_tenant
    from streams.bridge.process import BridgeSettings, run_bridge
    from streams.health import serve_bridge

    arm()
    Telemetry("bridge", log_level, None, 0).start()
    if metrics_port is not None:
        typer.echo(f"metrics at {serve_bridge(metrics_host, metrics_port).url}")
    run_bridge(
        BridgeSettings(
            endpoints=state.endpoints(),
            worker_id=worker_id,
            topic=topic,
            tenant_id=read_tenant(tenant, "--tenant") if tenant else None,
        )
    )
