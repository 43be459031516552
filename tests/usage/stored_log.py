"""Random logs of one partition, as they were sent."""

from __future__ import annotations

import random
from datetime import timedelta

from tests.streams.log_oracle import LogRecord, Sent
from tests.streams.logs import START, START_MS, TENANTS


def random_log(rng: random.Random, records: int) -> list[LogRecord]:
    """Records of a few events each, some of them copies, some with no readable value."""
    log, number = [], 0
    for offset in range(records):
        events = []
        for _ in range(rng.randint(1, 4)):
            number += 1
            event_id = str(rng.randint(1, number)) if rng.random() < 0.1 else str(number)
            data = rng.choice(
                [f'{{"n":{rng.randint(-9, 999)}.{rng.randrange(10**12):012d}}}', "{}", '{"n":1}']
            )
            at = START + timedelta(microseconds=rng.randrange(6 * 3600 * 10**6))
            events.append(
                Sent(rng.choice(TENANTS), "s", event_id, "call", f"u{rng.randrange(3)}", at, data)
            )
        log.append(LogRecord(START_MS + offset, tuple(events)))
    return log
