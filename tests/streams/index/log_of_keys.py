"""A made-up log of one partition, its ledger, and a dict that judges it: imports no index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

ACCEPTED, DUPLICATE, CONFLICT, REJECTED = range(4)


class Event(NamedTuple):
    run: int
    key: tuple[int, int]
    content: int
    time_ms: int
    eligible: bool


@dataclass
class Oracle:
    """What is held, in plain Python."""

    horizon_ms: int
    held: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def judge(self, event: Event) -> int:
        if not event.eligible:
            return REJECTED
        since, content = self.held.get(event.key, (-(10**18), 0))
        if since >= event.time_ms - self.horizon_ms:
            return DUPLICATE if content == event.content else CONFLICT
        self.held[event.key] = (event.time_ms, event.content)
        return ACCEPTED

    def hold(self, key: tuple[int, int], content: int, time_ms: int) -> None:
        if self.held.get(key, (-(10**18), 0))[0] <= time_ms:
            self.held[key] = (time_ms, content)
