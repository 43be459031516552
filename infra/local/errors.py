"""Errors of the local stack. Every message says what to do next."""

from __future__ import annotations

from typing import ClassVar

from core.errors import TollbookError


class StackError(TollbookError):
    """The local stack cannot do what was asked; the message names the cause and the cure."""

    code: ClassVar[str] = "stack_error"


class MissingToolError(StackError):
    """Something that the stack needs is not installed; the message holds the command for it."""

    code: ClassVar[str] = "stack_missing_tool"


class PortTakenError(StackError):
    """A port that a part wants is in use by another process."""

    code: ClassVar[str] = "stack_port_taken"


class DiskFullError(StackError):
    """Too little room is left where the state lies."""

    code: ClassVar[str] = "stack_disk_full"


class StateInUseError(StackError):
    """Another process works on the same state directory."""

    code: ClassVar[str] = "stack_state_in_use"


class PartDiedError(StackError):
    """A server ended, or never answered; the message carries the end of its log."""

    code: ClassVar[str] = "stack_part_died"
