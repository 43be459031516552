"""The trace through the client, some batches twice, and a worker killed half-way."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tollbook import Client

from benchmarks.demo.trace import BATCH_EVENTS, Request
from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from infra.local.child import Child
from usage.reader import UsageReader

RESEND_EVERY: Final = 20
"""Every 20th batch is sent once more: 5 %."""

_WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """Events that the client got acknowledged: each once, and copies on purpose."""

    events: int
    copies: int


def send(
    url: str,
    api_key: str,
    requests: list[Request],
    worker: Child,
    endpoints: Endpoints,
    advance: Callable[[int], None],
) -> Sent:
    """Post everything; half-way, when the worker is at work, kill it and start it again."""
    batches = [
        requests[start : start + BATCH_EVENTS] for start in range(0, len(requests), BATCH_EVENTS)
    ]
    events = copies = 0
    room = BATCH_EVENTS + 1  # so that a batch goes out at `flush`, whose answer says what happened
    with Client(url, api_key, source="azure-trace", batch_events=room) as client:
        for number, batch in enumerate(batches):
            if number == len(batches) // 2:
                _wait_until_metered(endpoints)
                worker.signal(signal.SIGKILL)
                worker.start()
            events += _post(client, batch)
            if number % RESEND_EVERY == RESEND_EVERY // 2:
                copies += _post(client, batch)
            advance(len(batch))
    return Sent(events, copies)


def _post(client: Client, batch: list[Request]) -> int:
    for request in batch:
        client.record(**request.as_event())
    return client.flush().accepted


def _wait_until_metered(endpoints: Endpoints) -> None:
    """Wait until the worker has proved some of the log: then a kill hits it at work."""
    wait_until(endpoints, lambda offsets: sum(offsets.values()) > 0)


def wait_until(endpoints: Endpoints, done: Callable[[dict[str, int]], bool]) -> None:
    """Wait for a condition on the ledger's cut. Raises `TimeoutError`."""
    reader = UsageReader(endpoints.clickhouse)
    deadline = monotonic_seconds() + _WAIT_SECONDS
    try:
        while not done(reader.cut().offsets):
            if monotonic_seconds() > deadline:
                raise TimeoutError(f"the log was not metered within {_WAIT_SECONDS:.0f} s")
            time.sleep(0.2)
    finally:
        reader.close()
