"""The entry point of `tollbook`: one list of commands, one place for errors."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import typer

from core.errors import TollbookError

COMMANDS: Final = (
    "up",
    "down",
    "status",
    "doctor",
    "logs",
    "migrate",
    "apply",
    "catalog",
    "tenants",
    "sandbox",
    "keys",
    "meters",
    "features",
    "plans",
    "customers",
    "subscriptions",
    "contracts",
    "entitlements",
    "move-in",
    "payers",
    "prices",
    "rate",
    "ingest",
    "events",
    "serve",
    "generations",
    "lag",
    "dlq",
    "corrections",
    "changes",
    "close",
    "invoices",
    "verify",
    "compact",
    "rebuild",
    "repair",
)
"""In the order of `tollbook --help`: each is a module of `cli.commands`, with _ for -."""


def build_app() -> typer.Typer:
    """The whole command, its parts loaded but none of their servers' libraries."""
    app = typer.Typer(
        name="tollbook",
        help="Meter usage, count every event exactly once, and bill it provably.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for name in COMMANDS:
        word = name.replace("-", "_")
        module = importlib.import_module(f"cli.commands.{word}")
        group = getattr(module, "app", None)
        if isinstance(group, typer.Typer):
            app.add_typer(group, name=name)
        else:
            app.command(name)(getattr(module, word))
    return app


def main() -> None:
    """Run a command. An expected error becomes one line on stderr and exit code 1."""
    try:
        build_app()()
    except TollbookError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
