"""The second baseline: the same job as a plain consumer loop that handles events one by one.

Tuned once: batches of 10,000 records from librdkafka, large fetches. No framework, no rebalance, no
commit: less work than a real service has.
"""

from __future__ import annotations

import os
from typing import Final

from confluent_kafka import Consumer

from benchmarks.plain_metering import TOPIC, Metering
from core.endpoints import Endpoints

_BATCH_RECORDS: Final = 10_000
_IDLE_SECONDS: Final = 0.1


def main() -> None:
    """Run until SIGTERM, on the servers that the environment names."""
    endpoints = Endpoints.from_environment(os.environ)
    consumer = Consumer(
        {
            "bootstrap.servers": endpoints.kafka,
            "group.id": f"{endpoints.topic_prefix}{TOPIC}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.max.bytes": 16 * 1024 * 1024,
            "queued.min.messages": 200_000,
            "log_level": 0,
        }
    )
    consumer.subscribe([f"{endpoints.topic_prefix}{TOPIC}"])
    metering = Metering(endpoints.clickhouse)
    while True:
        messages = consumer.consume(_BATCH_RECORDS, _IDLE_SECONDS)
        for message in messages:
            if metering.add(message.value() or b""):
                metering.store()
        if not messages:
            metering.store()


if __name__ == "__main__":
    main()
