"""What may be done to a subscription: one file per command, each a function of how it stands.

Owns: what each command means, and when it is refused. Does not own: what holds plans and customers
together (`subscriptions.life.checks`), what is written down (`subscriptions.life.store`).
Invariants: a command is a frozen dataclass with a `name`; `apply(standing, at, cycle)` reads and
writes nothing, and raises an error of the families where it cannot be; what would change nothing
returns the standing as it is; nothing before `at` changes.
To add one: a file here, an entry in `COMMANDS`, a body in `bodies.py`, a case in
`tests/subscriptions/commands/test_contract.py`, a row in `docs/explanation/subscriptions.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from subscriptions.commands.activate import Activate
from subscriptions.commands.base import Command
from subscriptions.commands.cancel import Cancel
from subscriptions.commands.change import Change
from subscriptions.commands.extend import Extend
from subscriptions.commands.pause import PauseCommand
from subscriptions.commands.payment import Payment
from subscriptions.commands.reactivate import Reactivate
from subscriptions.commands.resume import Resume
from subscriptions.commands.start_trial import StartTrial
from subscriptions.commands.uncancel import Uncancel

COMMANDS: Final[Mapping[str, type[Command]]] = {
    command.name: command
    for command in (
        Activate,
        Cancel,
        Change,
        Extend,
        PauseCommand,
        Payment,
        Reactivate,
        Resume,
        StartTrial,
        Uncancel,
    )
}
"""All commands by name."""

__all__ = [
    "COMMANDS",
    "Activate",
    "Cancel",
    "Change",
    "Command",
    "Extend",
    "PauseCommand",
    "Payment",
    "Reactivate",
    "Resume",
    "StartTrial",
    "Uncancel",
]
