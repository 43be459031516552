"""What the server said about each event."""

from __future__ import annotations

from dataclasses import dataclass, field

from tollbook.events import Event

REJECTIONS_KEPT_MAX = 1000
"""Of more events refused between two flushes, the result holds the first; callbacks get all."""

NOTICES_KEPT_MAX = 100
"""As above, for notices."""


@dataclass(frozen=True)
class Rejection:
    """One event that the server refused, and why: `code` for programs, `message` for people."""

    event: Event
    code: str
    message: str


@dataclass(frozen=True)
class FlushResult:
    """What became of the events since the flush before: counted by the server, or refused.

    `notices` are the server's remarks on accepted events, in words.
    """

    accepted: int = 0
    rejected: tuple[Rejection, ...] = ()
    notices: tuple[str, ...] = field(default=())

    def __add__(self, other: FlushResult) -> FlushResult:
        return FlushResult(
            self.accepted + other.accepted,
            (self.rejected + other.rejected)[:REJECTIONS_KEPT_MAX],
            (self.notices + other.notices)[:NOTICES_KEPT_MAX],
        )
