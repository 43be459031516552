"""Senders as they should be: a batch is sent with the same ids until it was answered 202."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from core.clock import monotonic_seconds
from tests.ingest.service import BATCH, Service, event

_BATCH_EVENTS = 20
_PATIENCE_SECONDS = 120


class Senders:
    """Threads that post batches and write down which were answered 202.

    `urls` may change while they run: they go round.
    """

    def __init__(self, service: Service, urls: Sequence[str], threads: int = 4) -> None:
        self.acknowledged: list[str] = []
        self.retries = 0
        self._service, self._urls = service, urls
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._running = [self._pool.submit(self._run) for _ in range(threads)]

    def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self._service.api_key}", "Content-Type": BATCH}
        with httpx.Client(headers=headers, timeout=30) as client:
            while not self._stop.is_set():
                number = next(self._numbers)
                ids = [f"{number}-{i}" for i in range(_BATCH_EVENTS)]
                self._send(client, number, ids)
                self.acknowledged += ids

    def _send(self, client: httpx.Client, number: int, ids: list[str]) -> None:
        body = [event(event_id) for event_id in ids]
        deadline = monotonic_seconds() + _PATIENCE_SECONDS
        for attempt in itertools.count(number):
            url = self._urls[attempt % len(self._urls)]
            try:
                answer = client.post(f"{url}/v1/events", json=body)
            except httpx.TransportError:
                self.retries += 1
            else:
                if answer.status_code == 202:
                    assert answer.json()["accepted"] == _BATCH_EVENTS
                    return
                assert answer.status_code == 503, answer.text
            assert monotonic_seconds() < deadline, "no server took the batch"
            time.sleep(0.02)

    def wait_for(self, events: int) -> None:
        """Wait until this many events were answered 202."""
        deadline = monotonic_seconds() + _PATIENCE_SECONDS
        while len(self.acknowledged) < events:
            assert monotonic_seconds() < deadline, f"{len(self.acknowledged)} of {events}"
            time.sleep(0.01)

    def check(self) -> None:
        """Raises what one of them met."""
        for running in self._running:
            if running.done():
                running.result()

    def finish(self) -> None:
        """Let each thread finish its batch; raises what one of them met."""
        self._stop.set()
        for running in self._running:
            running.result(2 * _PATIENCE_SECONDS)
        self._pool.shutdown()
