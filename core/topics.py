"""Every Kafka topic and consumer group name, in one place."""

from __future__ import annotations

from typing import Final

USAGE_EVENTS: Final = "usage.events"
"""Generation 1 of the log of envelopes; generation n > 1 is `usage.events.n`."""

DEAD_LETTERS: Final = "usage.dead_letters"
"""Rejected positions of the log, with their reasons (JSON)."""

INBOX: Final = "usage.inbox"
"""CloudEvents as JSON, from producers that write to Kafka themselves; the bridge reads it."""

STREAM_GROUP: Final = "tollbook-streams"
"""The Faust app id, hence the consumer group. Renaming it forgets all committed offsets."""

BRIDGE_GROUP: Final = "tollbook-bridge"
"""The consumer group of the bridges: what of the inbox is in the log."""

CARRIER_GROUP: Final = "tollbook-carrier"
"""The consumer group that carries over what was written behind the end of a generation."""


def usage_events_topic(generation: int) -> str:
    """The topic of a generation of the log, counted from 1."""
    return USAGE_EVENTS if generation == 1 else f"{USAGE_EVENTS}.{generation}"


def generation_of(topic: str) -> int | None:
    """Which generation of the log a topic's name says, or None where it says none."""
    if topic == USAGE_EVENTS:
        return 1
    number = topic.removeprefix(f"{USAGE_EVENTS}.")
    if number == topic or not number.isdecimal() or not number.isascii():
        return None
    return int(number) if int(number) > 1 and number[0] != "0" else None
