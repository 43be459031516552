"""Commands as they are written: what is wrong is refused before anything is looked up."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import ValidationError
from subscriptions.commands import COMMANDS
from subscriptions.commands.bodies import BODIES as BODIES_OF
from subscriptions.commands.bodies import parse_command

FAR = "9999-12-31T23:59:59-12:00"
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("extend", {"until": FAR}),
    ("extend", {"until": "1969-12-31T23:59:59Z"}),
    ("cancel", {"at": FAR}),
    ("change", {"plan": "pro", "at": FAR}),
    ("change", {"quantities": {"seats": "1_000"}}),
    ("change", {"quantities": {"seats": "-0"}}),
    ("change", {"quantities": {"seats": "٣"}}),
    ("pause", {"until": FAR}),
    ("start_trial", {"until": FAR}),
    ("cancel", {"as_of": "0001-01-01T00:00:00+14:00"}),
]


@pytest.mark.parametrize(("command", "body"), BODIES)
def test_bodies_that_no_server_can_reckon_with_are_refused(
    command: str, body: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        parse_command(command, body)


def test_every_command_can_be_written() -> None:
    assert set(BODIES_OF) == set(COMMANDS)
    assert parse_command("change", {"quantities": {"seats": "2.50"}}).as_of is None
