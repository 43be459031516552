"""Where the servers are. Built once at a process's entry point from a mapping, then passed down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core import topics
from core.errors import ValidationError

VARIABLES = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka",
    "CLICKHOUSE_URL": "clickhouse",
    "DATABASE_URL": "postgres",
}
"""Environment variable -> the part of the stack that it replaces by an outside server."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The three servers, and the prefix that keeps several installations on one broker apart.

    `kafka` is host:port[,host:port…]; `clickhouse` is http(s)://user:password@host:port/database;
    `postgres` is postgresql://….
    """

    kafka: str
    clickhouse: str
    postgres: str
    topic_prefix: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Endpoints:
        """Read the three variables and `TOLLBOOK_TOPIC_PREFIX`. Raises `ValidationError`."""
        missing = [name for name in VARIABLES if not environ.get(name)]
        if missing:
            raise ValidationError(
                f"{', '.join(missing)}: not set; start the local stack with `tollbook up`"
                " or point the variable at your server",
                missing=missing,
            )
        return cls(
            **{part: environ[name] for name, part in VARIABLES.items()},
            topic_prefix=environ.get("TOLLBOOK_TOPIC_PREFIX", ""),
        )

    def as_environment(self) -> dict[str, str]:
        """The variables that make a child process use these servers."""
        named = {name: str(getattr(self, part)) for name, part in VARIABLES.items()}
        return named | {"TOLLBOOK_TOPIC_PREFIX": self.topic_prefix}

    def usage_events_topic(self, generation: int = 1) -> str:
        """Full name of the log's topic of a generation."""
        return self.topic_prefix + topics.usage_events_topic(generation)

    def generation_of(self, topic: str) -> int | None:
        """Which generation of this installation's log a full topic name says, or None."""
        if not topic.startswith(self.topic_prefix):
            return None
        return topics.generation_of(topic.removeprefix(self.topic_prefix))

    def inbox_topic(self) -> str:
        """Full name of the topic of foreign producers."""
        return self.topic_prefix + topics.INBOX

    def dead_letters_topic(self) -> str:
        """Full name of the topic of rejected positions."""
        return self.topic_prefix + topics.DEAD_LETTERS

    def stream_group(self) -> str:
        """Full name of the consumer group of the stream workers."""
        return self.topic_prefix + topics.STREAM_GROUP

    def bridge_group(self) -> str:
        """Full name of the consumer group of the bridges."""
        return self.topic_prefix + topics.BRIDGE_GROUP

    def carrier_group(self) -> str:
        """Full name of the consumer group of the carriers."""
        return self.topic_prefix + topics.CARRIER_GROUP
