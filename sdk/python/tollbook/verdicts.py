"""What the server said about each event."""

from __future__ import annotations

from dataclasses import dataclass, field

from tollbook.events import Event


@dataclass(frozen=True)
class Rejection:
    """One event that the server refused, and why: `code` for programs, `message` for people."""

    event: Event
    code: str
    message: str


@dataclass(frozen=True)
class FlushResult:
    """What became of the events of a flush: counted by the server, or refused one by one.

    `notices` are the server's remarks on accepted events, in words.
    """

    accepted: int = 0
    rejected: tuple[Rejection, ...] = ()
    notices: tuple[str, ...] = field(default=())

    def __add__(self, other: FlushResult) -> FlushResult:
        return FlushResult(
            self.accepted + other.accepted,
            self.rejected + other.rejected,
            self.notices + other.notices,
        )
