"""Every Kafka topic and consumer group name, in one place."""

from __future__ import annotations

from typing import Final

USAGE_EVENTS: Final = "usage.events"
"""Generation 1 of the log of envelopes; generation n > 1 is `usage.events.n`."""

DEAD_LETTERS: Final = "usage.dead_letters"
"""Rejected positions of the log, with their reasons (JSON)."""

STREAM_GROUP: Final = "tollbook-streams"
"""The Faust app id, hence the consumer group. Renaming it forgets all committed offsets."""


def usage_events_topic(generation: int) -> str:
    """The topic of a generation of the log, counted from 1."""
    return USAGE_EVENTS if generation == 1 else f"{USAGE_EVENTS}.{generation}"
