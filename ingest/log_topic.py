"""Which topic ingest writes to: that of the newest generation of the log, the very same each time.

A generation that was seen once is never left for an older one, and its topic never for another of
its name: events in such a topic would belong to no log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from core.endpoints import Endpoints


class LogTopic(NamedTuple):
    """The topic of one generation, as Kafka describes it."""

    generation: int
    name: str
    partitions: int
    topic_id: str


@dataclass(slots=True)
class Following:
    """What a process has seen. `topic` is what it writes to; `fault` why it must not."""

    endpoints: Endpoints
    topic: LogTopic | None = None
    fault: str | None = None
    wrong_log: bool = field(default=False)

    def newest_of(self, names: Iterable[str]) -> str:
        """The name to look at, given all topics of the broker; generation 1 where there is none."""
        numbers = [self.endpoints.generation_of(name) or 1 for name in names]
        return self.endpoints.usage_events_topic(max(numbers, default=1))

    def see(self, found: LogTopic) -> None:
        """Take note of the newest topic of the log: follow it, or say what is wrong."""
        now = self.topic
        if now is None or found.generation > now.generation:
            self.topic = now = found
        self.wrong_log = found != now
        self.fault = None
        if found.generation < now.generation:
            self.fault = f"the topic {now.name} does not exist any more: it was deleted"
        elif self.wrong_log:
            self.fault = (
                f"{now.name} was created again or has other partitions"
                f" ({found.partitions}, expected {now.partitions}): it is not the log any more"
            )
