"""A consumer that only looks: it has no part in any group, and moves nobody's offsets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer

from core.endpoints import Endpoints

_BUFFERED_KBYTES: Final = 16 * 1024


@contextmanager
def own_consumer(endpoints: Endpoints, name: str) -> Iterator[Consumer]:
    """To be assigned partitions and offsets; one that is not there is an error, never a jump.

    `name`: under which Kafka knows it, without the prefix of the installation.
    """
    made = Consumer(
        {
            "bootstrap.servers": endpoints.kafka,
            "group.id": endpoints.topic_prefix + name,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": _BUFFERED_KBYTES,
            "log_level": 0,
        }
    )
    try:
        yield made
    finally:
        made.close()
