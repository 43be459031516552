"""The client: record, batch, send, try again."""

from __future__ import annotations

import threading
import time as system_time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

import httpx

from tollbook.clock import utc_now
from tollbook.errors import RequestRejectedError
from tollbook.events import Event, build_event
from tollbook.retries import RetryPolicy
from tollbook.transport import Transport
from tollbook.verdicts import FlushResult, Rejection

BATCH_EVENTS = 500
BATCH_BYTES = 1_000_000
BATCH_BYTES_MAX = 9 * 1024 * 1024
BATCH_EVENTS_MAX = 10_000


class Client:
    """Records usage events and delivers them in batches.

    `record` keeps the event in memory and sends a batch, on the caller's thread, each time
    `batch_events` events or `batch_bytes` bytes have gathered; `flush` and the end of the
    with-block send the rest. Events that were not acknowledged stay in the client for the next
    flush; what is in memory when the process dies is lost. Safe to share between threads.

    Args:
        base_url: Where ingest listens, such as `https://ingest.example.com`.
        api_key: `tb_live_…`; it decides whose events these are.
        source: The CloudEvents `source` of events that name none: who records.
        batch_events: Send at this many events, at most 10,000.
        batch_bytes: Send at this many bytes, at most 9 MiB.
        timeout_seconds: How long one try may take.
        retry: When to try again.
        on_rejected: Called once for each event that the server refuses.
        sleep: How to wait between tries.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        source: str = "tollbook-python",
        batch_events: int = BATCH_EVENTS,
        batch_bytes: int = BATCH_BYTES,
        timeout_seconds: float = 30.0,
        retry: RetryPolicy | None = None,
        on_rejected: Callable[[Rejection], None] | None = None,
        sleep: Callable[[float], None] = system_time.sleep,
    ) -> None:
        if not 1 <= batch_events <= BATCH_EVENTS_MAX:
            raise ValueError(f"batch_events: expected 1 to {BATCH_EVENTS_MAX}, got {batch_events}")
        if not 1 <= batch_bytes <= BATCH_BYTES_MAX:
            raise ValueError(f"batch_bytes: expected 1 to {BATCH_BYTES_MAX}, got {batch_bytes}")
        url = httpx.URL(base_url)
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError(f"base_url: expected http(s)://host[:port], got {base_url!r}")
        self._source = source
        self._batch_events = batch_events
        self._batch_bytes = batch_bytes
        self._on_rejected = on_rejected
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds)
        self._transport = Transport(self._http, api_key, retry or RetryPolicy(), sleep)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._pending: deque[Event] = deque()
        self._pending_bytes = 0

    @property
    def pending(self) -> int:
        """Number of events that are recorded and not yet acknowledged."""
        return len(self._pending)

    def record(
        self,
        type: str,  # noqa: A002 - the CloudEvents name of the attribute
        subject: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - as above
        time: datetime | str | None = None,
        source: str | None = None,
    ) -> Event:
        """Record one event; id and time are fixed now, where not given.

        Numbers in `data` are sent exactly: use int or Decimal for what will be billed. Raises
        `InvalidEventError` when the event can never be sent, and `DeliveryError` when a full batch
        could not be delivered; the event is recorded then, and waits with the others.
        """
        event = build_event(
            type,
            subject,
            data,
            event_id=id,
            time=utc_now() if time is None else time,
            source=self._source if source is None else source,
        )
        with self._lock:
            self._pending.append(event)
            self._pending_bytes += len(event.wire)
            is_full = self._is_full()
        if is_full:
            self._send(only_full=True)
        return event

    def flush(self) -> FlushResult:
        """Send everything recorded so far; returns what the server said.

        Raises a `DeliveryError` when it could not be delivered. Events that may yet be delivered
        stay in the client; those of a `RequestRejectedError` do not.
        """
        return self._send(only_full=False)

    def close(self) -> None:
        """Flush, then close the connections. Raises as `flush` does, closed all the same."""
        try:
            self.flush()
        finally:
            self._http.close()

    def __enter__(self) -> Client:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _is_full(self) -> bool:
        return len(self._pending) >= self._batch_events or self._pending_bytes >= self._batch_bytes

    def _send(self, *, only_full: bool) -> FlushResult:
        """Send batch after batch. One thread sends at a time; the others may record meanwhile."""
        result = FlushResult()
        with self._sending:
            while True:
                with self._lock:
                    if not self._pending or (only_full and not self._is_full()):
                        return result
                    batch = self._next_batch()
                try:
                    verdict = self._transport.send(batch)
                except RequestRejectedError:
                    self._drop(batch)
                    raise
                self._drop(batch)
                if self._on_rejected is not None:
                    for rejection in verdict.rejected:
                        self._on_rejected(rejection)
                result += verdict

    def _next_batch(self) -> list[Event]:
        """The oldest events, as many as fit into one batch and at least one."""
        batch: list[Event] = []
        size_bytes = 0
        for event in self._pending:
            size_bytes += len(event.wire)
            if batch and (len(batch) >= self._batch_events or size_bytes > self._batch_bytes):
                break
            batch.append(event)
        return batch

    def _drop(self, batch: list[Event]) -> None:
        """Forget events that have their verdict; they are the oldest ones."""
        with self._lock:
            for _ in batch:
                self._pending_bytes -= len(self._pending.popleft().wire)
