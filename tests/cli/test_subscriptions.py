from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from cli.main import build_app
from core.errors import ValidationError
from db.postgres import Database
from subscriptions.commands import COMMANDS
from subscriptions.life.lifecycle import InvalidStateTransitionError
from tests.plugins.database import database, database_url
from tests.subscriptions.operating import open_desk

__all__ = ["database", "database_url"]

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, database_url: str) -> Run:
    """A command in an installation with plans and customers."""
    open_desk(database)
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }

    def invoke(*arguments: str) -> Result:
        app = build_app()
        return CliRunner().invoke(app, ["subscriptions", *arguments], env=environ)

    return invoke


def test_a_subscription_lives_by_commands(run: Run) -> None:
    made = run("create", "mine", "contoso", "standard", "--start", "2024-01-01T00:00:00Z")
    assert (made.exit_code, made.stdout) == (0, "subscription mine is ACTIVE\n"), made.output
    for arguments, said in (
        (("change", "mine", "--quantity", "seats=5"), "ACTIVE, revision 2"),
        (("change", "mine", "--plan", "dearer", "--at", "period_end"), "ACTIVE, revision 3"),
        (("pause", "mine", "--no-service"), "ACTIVE, revision 4"),
        (("resume", "mine"), "ACTIVE, revision 5"),
        (("payment", "mine", "--failed"), "PAST_DUE, revision 6"),
        (("payment", "mine", "--succeeded"), "ACTIVE, revision 7"),
        (("cancel", "mine"), "ACTIVE, revision 8"),
        (("uncancel", "mine"), "ACTIVE, revision 9"),
        (("extend", "mine", "--until", "2124-01-01T00:00:00Z"), "ACTIVE, revision 10"),
        (("cancel", "mine", "--at", "now"), "CANCELED, revision 11"),
        (("reactivate", "mine", "--quantity", "seats=2"), "ACTIVE, revision 12"),
    ):
        found = run(*arguments)
        assert (found.exit_code, found.stdout) == (0, f"subscription mine is {said}\n")
    shown = json.loads(run("show", "mine").stdout)
    assert (shown["revision"], shown["quantities"]) == (12, {"seats": "2"})
    changes = json.loads(run("history", "mine", "--json").stdout)
    assert [each["actor"] for each in changes] == ["operator"] * 12
    assert "cancel" in run("history", "mine").stdout
    assert "mine" in run("list", "--status", "ACTIVE").stdout
    assert json.loads(run("list", "--status", "CANCELED", "--json").stdout) == []


def test_trials_begin_and_end_by_command_and_by_themselves(run: Run) -> None:
    tried = run(
        "create", "tried", "contoso", "standard", "--start", "2024-01-01T00:00:00Z",
        "--trial-days", "14", "--json",
    )  # fmt: skip
    assert json.loads(tried.stdout)["status"] == "ACTIVE", "its trial is long over"
    later = run("create", "later", "fabrikam", "standard", "--start", "2124-01-01T00:00:00Z")
    assert later.stdout == "subscription later is FREE\n"
    begun = run("start-trial", "later", "--until", "2124-02-01T00:00:00Z")
    assert begun.stdout == "subscription later is TRIALING, revision 2\n"
    assert "is ACTIVE" in run("activate", "later").stdout
    assert run("advance").stdout == "0 subscription(s) came on\n"
    assert json.loads(run("advance", "--json").stdout) == {"advanced": 0}


def test_what_is_wrong_is_one_line_that_names_it(run: Run) -> None:
    run("create", "mine", "contoso", "standard")
    for arguments, error, said in (
        (("resume", "mine"), "not paused", ""),
        (("reactivate", "mine"), InvalidStateTransitionError, "cannot reactivate"),
        (("change", "mine"), ValidationError, "plan: say what changes"),
        (("change", "mine", "--quantity", "seats"), ValidationError, "--quantity: write seats=5"),
        (("change", "mine", "--quantity", "desks=1"), ValidationError, "it has: seats"),
        (("cancel", "mine", "--at", "soon"), ValidationError, "at"),
        (("show", "other"), "none called 'other'", ""),
    ):
        found = run(*arguments)
        assert found.exit_code == 1
        if isinstance(error, str):
            assert error in str(found.exception)
        else:
            assert isinstance(found.exception, error)
            assert said in str(found.exception)


def test_every_command_of_the_api_is_a_command_here(run: Run) -> None:
    shown = run("--help").stdout
    for name in COMMANDS:
        assert name.replace("_", "-") in shown
        told = run(name.replace("_", "-"), "--help").stdout
        assert "Example:" in told
