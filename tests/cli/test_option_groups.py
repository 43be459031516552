"""Options declared once: a command takes them as if they were its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from cli.commands import serve
from cli.option_groups import grouped

Depth = Annotated[int, typer.Option(min=1, envvar="DEPTH", help="How deep to look.")]


@dataclass(frozen=True)
class Looking:
    depth: Depth = 3
    twice: Annotated[bool, typer.Option("--twice", help="Look again.")] = False


app = typer.Typer()


@app.command()
@grouped
def look(place: str, looking: Looking, name: Annotated[str, typer.Option()] = "all") -> None:
    """Look somewhere.

    Example: look --depth 2 here
    """
    typer.echo(json.dumps([place, asdict(looking), name]))


@pytest.mark.parametrize(
    ("arguments", "environ", "found"),
    [
        (["here"], {}, ["here", {"depth": 3, "twice": False}, "all"]),
        (["--depth", "2", "here"], {}, ["here", {"depth": 2, "twice": False}, "all"]),
        (["here"], {"DEPTH": "7"}, ["here", {"depth": 7, "twice": False}, "all"]),
        (["x", "--twice", "--name", "n"], {}, ["x", {"depth": 3, "twice": True}, "n"]),
    ],
)
def test_a_group_is_filled_from_its_options(
    arguments: list[str], environ: dict[str, str], found: list[object]
) -> None:
    result = CliRunner().invoke(app, arguments, env=environ)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == found


def test_what_an_option_refuses_is_refused() -> None:
    result = CliRunner().invoke(app, ["--depth", "0", "here"])
    assert result.exit_code == 2
    assert "--depth" in result.stderr


def test_help_shows_every_option_of_a_group_and_the_commands_own_words() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    for text in ("Look somewhere.", "Example: look", "How deep to look.", "--twice", "--name"):
        assert text in shown


HTTP = {"--host", "--port", "--workers", "--connections"}
TELEMETRY = {"--log-level", "--traces-to", "--trace-ratio"}
RATES = {"--key-events", "--key-bytes", "--tenant-events", "--tenant-bytes"}
TOKENS = {"--token-issuer", "--token-audience", "--token-keys"}
METRICS = {"--metrics-port", "--metrics-host", "--worker-id"}
OPTIONS = {
    "ingest": HTTP | TELEMETRY | RATES,
    "compat": HTTP | TELEMETRY | RATES,
    "api": HTTP | TELEMETRY | TOKENS,
    "subscriptions": HTTP | TELEMETRY | TOKENS,
    "streams": TELEMETRY | METRICS | {"--group", "--hot-keys"},
    "bridge": METRICS | {"--log-level", "--topic", "--tenant"},
}


def test_each_process_takes_what_it_always_took() -> None:
    commands = typer.main.get_command(serve.app).commands  # type: ignore[attr-defined]  # a group
    taken = {
        name: {option for each in command.params for option in each.opts}
        for name, command in commands.items()
    }
    assert taken == {name: {*options, "--state-dir"} for name, options in OPTIONS.items()}
