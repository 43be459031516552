"""The owner process: `python -m infra.local.clickhouse --path DIR --port N --password-file F`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

import uvloop

from infra.local.clickhouse.admission import Limits
from infra.local.clickhouse.process import OwnerSettings, StartError, run

_LIMITS = Limits()


def main(arguments: list[str] | None = None) -> int:
    """Own a data directory until SIGTERM. Exit code 0 after a clean stop, 1 if it cannot start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(),
        stream=sys.stdout,
        format="%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    settings = OwnerSettings(
        directory=options.path,
        port=options.port,
        user=options.user,
        password_file=options.password_file,
        memory_bytes=options.memory_bytes,
        limits=Limits(
            running=options.max_queries,
            waiting=options.max_waiting,
            wait_seconds=options.wait_seconds,
            idle_seconds=options.idle_seconds,
        ),
        stop_seconds=options.stop_seconds,
        min_free_bytes=options.min_free_bytes,
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings))
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command's one line of output
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.local.clickhouse",
        description="The embedded ClickHouse engine behind ClickHouse's HTTP protocol.",
        epilog="example: python -m infra.local.clickhouse --path data --port 8123"
        " --password-file password",
    )
    parser.add_argument("--path", type=Path, required=True, help="the data directory")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument(
        "--password-file", type=Path, required=True, help="a file that holds the password"
    )
    parser.add_argument("--user", default="default", help="the one user there is")
    parser.add_argument(
        "--memory-bytes", type=int, default=None, help="limit of the engine (default: 90 %% of RAM)"
    )
    parser.add_argument("--max-queries", type=int, default=_LIMITS.running, help="running at once")
    parser.add_argument("--max-waiting", type=int, default=_LIMITS.waiting, help="waiting in line")
    parser.add_argument(
        "--stop-seconds", type=int, default=20, help="time for running requests after SIGTERM"
    )
    parser.add_argument(
        "--wait-seconds", type=float, default=_LIMITS.wait_seconds, help="longest wait in line"
    )
    parser.add_argument(
        "--idle-seconds",
        type=float,
        default=_LIMITS.idle_seconds,
        help="longest silence of a client",
    )
    parser.add_argument(
        "--min-free-bytes",
        type=int,
        default=64 << 20,
        help="refuse to start on a fuller disk, and inserts that would leave less",
    )
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"]
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
