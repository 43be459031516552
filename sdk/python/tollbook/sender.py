"""The sender: one thread that takes batches, sends them, waits, and tells what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from math import inf
from typing import TypeVar

from tollbook.bell import Bell
from tollbook.clock import monotonic_seconds
from tollbook.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DeliveryError,
    RequestRejectedError,
)
from tollbook.events import Event
from tollbook.progress import Progress
from tollbook.queues import Batch, Queue, Source
from tollbook.settings import Settings
from tollbook.spool.orphans import NO_ORPHANS, Orphans
from tollbook.transport import Failure, Fault, Transport, Verdict
from tollbook.verdicts import FlushResult, Rejection

_T = TypeVar("_T")

_log = logging.getLogger("tollbook")

_ERRORS: dict[Fault, type[DeliveryError]] = {
    Fault.PASSING: ConnectionFailedError,
    Fault.KEY: AuthenticationError,
    Fault.CONTENT: RequestRejectedError,
    Fault.ENDPOINT: RequestRejectedError,
}


class Sender:
    """Runs in a thread of its own for as long as its client is open.

    Attributes:
        flush_mark: Everything before this place is due at once.
    """

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        bell: Bell,
        progress: Progress,
        orphans: Orphans = NO_ORPHANS,
    ) -> None:
        self.flush_mark = 0
        self._settings, self._queue, self._bell = settings, queue, bell
        self._progress, self._orphans = progress, orphans
        self._transport: Transport | None = None
        self._is_stopping = self._is_hurried = False
        self._waits_since: float | None = None
        self._failures_in_row = 0
        self._not_before = 0.0  # Retry-After: nothing shortens it
        self._backoff_until = 0.0  # a flush may shorten this
        self._events_max = settings.batch_events
        self._orphan_is_next = False

    def hurry(self, mark: int) -> None:
        """Send everything before `mark` now: begin a new round of tries."""
        self.flush_mark = max(self.flush_mark, mark)
        self._is_hurried = True  # first: see `_retry`
        self._failures_in_row = 0
        self._backoff_until = 0.0
        self._bell.ring()

    def stop(self) -> None:
        """End after the try that is under way."""
        self._is_stopping = True
        self._bell.wake()

    def run(self) -> None:
        """Send until `stop`. No error ends it: it is told, and the try is made again."""
        try:
            while not self._is_stopping:
                source = self._next_source()
                if source is not None:
                    self._deliver_or_wait(source)
        finally:
            if self._transport is not None:
                self._transport.close()

    def _deliver_or_wait(self, source: Source) -> None:
        try:
            self._deliver(source)
        except Exception as error:  # noqa: BLE001 - a sender that ends would lose events
            _log.exception("a batch could not be sent")
            self._orphans.leave(source)  # another may fare better, and this one is found again
            self._retry(Failure(Fault.PASSING, f"{type(error).__name__}: {error}"), ())

    def _next_source(self) -> Source | None:
        """Wait until a batch is due; None when the sender is to end."""
        while not self._is_stopping:
            self._orphans.look()
            now = monotonic_seconds()
            resume_at = max(self._not_before, self._backoff_until)
            if now < resume_at:
                self._bell.wait(min(resume_at - now, self._orphans.look_seconds))
                continue
            due_in = self._due_seconds(now)
            orphan = self._orphans.first()
            if due_in <= 0 and (orphan is None or not self._orphan_is_next):
                self._orphan_is_next = True
                return self._queue
            if orphan is not None:
                self._orphan_is_next = False
                return orphan
            timeout = min(due_in, self._orphans.look_seconds)
            self._bell.wait(None if timeout == inf else timeout)
        return None

    def _due_seconds(self, now: float) -> float:
        """In how many seconds the queue is due; the bell is armed for what may come before."""
        settings, queue = self._settings, self._queue
        if queue.count == 0:
            self._waits_since = None
            queue.arm(1, inf)
            return inf
        if self._waits_since is None:
            self._waits_since = now
        is_full = queue.count >= settings.batch_events or queue.size_bytes >= settings.batch_bytes
        if is_full or not queue.has_settled(self.flush_mark):
            return 0
        left = self._waits_since + settings.batch_seconds - now
        if left > 0:
            queue.arm(settings.batch_events, settings.batch_bytes)
        return left

    def _deliver(self, source: Source) -> None:
        """One try at one batch."""
        self._is_hurried = False
        batch = source.take(self._events_max, self._settings.batch_bytes)
        if batch is None:
            self._orphans.retire(source)
            self._progress.tell()
            return
        if self._transport is None:  # made here, so that no other thread ever holds its connection
            settings = self._settings
            self._transport = Transport(
                settings.base_url, settings.api_key, settings.timeout_seconds
            )
        answer = self._transport.send(batch.wires)
        if isinstance(answer, Verdict):
            self._settle(source, batch, answer)
        elif answer.fault is Fault.CONTENT and len(batch.wires) > 1:
            self._events_max = len(batch.wires) // 2  # down to the event that is to blame
        elif answer.fault is Fault.CONTENT and source.outlives:
            refused = Rejection(Event.of_wire(batch.wires[0]), "refused", answer.message)
            self._finish(source, batch, FlushResult(rejected=(refused,)))
        elif answer.fault in {Fault.CONTENT, Fault.ENDPOINT} and not source.outlives:
            self._lose(source, batch, answer)
        else:
            self._retry(answer, batch.wires)

    def _settle(self, source: Source, batch: Batch, verdict: Verdict) -> None:
        refused = {each.index: each for each in verdict.refused}
        rejections = tuple(
            Rejection(Event.of_wire(batch.wires[index]), each.code, each.message)
            for index, each in refused.items()
        )
        if (on_accepted := self._settings.callbacks.on_accepted) is not None:
            wires = enumerate(batch.wires)
            events = tuple(Event.of_wire(wire) for index, wire in wires if index not in refused)
            if events:
                _call(on_accepted, events)
        self._finish(source, batch, FlushResult(verdict.accepted, rejections, verdict.notices))

    def _finish(self, source: Source, batch: Batch, result: FlushResult) -> None:
        """Every event of a batch has its verdict: put aside, call back, forget, tell."""
        if result.rejected:
            source.keep_refused(result.rejected)
            first = result.rejected[0]
            _log.warning(
                "%d events refused, the first one: %s: %s",
                len(result.rejected), first.event.id, first.message,
            )  # fmt: skip
            if (on_rejected := self._settings.callbacks.on_rejected) is not None:
                for rejection in result.rejected:
                    _call(on_rejected, rejection)
        source.settle(batch)
        self._go_on()
        self._progress.succeed(result)

    def _go_on(self) -> None:
        """After an answer that settled a batch."""
        self._failures_in_row = 0
        self._waits_since = None
        self._events_max = min(self._events_max * 2, self._settings.batch_events)

    def _lose(self, source: Source, batch: Batch, failure: Failure) -> None:
        """The batch stands in the way of the others: it leaves, its events in the error."""
        problem = RequestRejectedError(
            f"{len(batch.wires)} events not delivered: {failure.message}",
            batch.wires,
            failure.status,
        )
        self._report(problem)
        source.settle(batch)
        self._go_on()
        self._progress.lose(problem)

    def _retry(self, failure: Failure, wires: Sequence[bytes]) -> None:
        """The batch stays; set when to send again, and tell who waits."""
        retry = self._settings.retry
        self._failures_in_row += 1
        is_passing = failure.fault is Fault.PASSING
        backoff = retry.backoff_seconds(self._failures_in_row)
        now = monotonic_seconds()
        self._not_before = now + failure.retry_after_seconds
        self._backoff_until = self._not_before + (backoff if is_passing else retry.longest_seconds)
        if self._is_hurried:  # asked for while this try was under way
            self._backoff_until = 0.0
        problem = _ERRORS[failure.fault](
            f"{len(wires)} events not delivered after {self._failures_in_row} tries:"
            f" {failure.message}",
            wires,
            failure.status,
        )
        is_hopeless = not is_passing or failure.retry_after_seconds > retry.retry_after_max_seconds
        if self._failures_in_row == (1 if is_hopeless else retry.tries):
            self._report(problem)
        self._progress.fail(problem, is_hopeless=is_hopeless)

    def _report(self, problem: DeliveryError) -> None:
        _log.warning("%s", problem)
        if (on_error := self._settings.callbacks.on_error) is not None:
            _call(on_error, problem)


def _call(callback: Callable[[_T], None], value: _T) -> None:
    try:
        callback(value)
    except Exception:  # noqa: BLE001 - whatever a callback raises, sending goes on
        _log.exception("a callback failed")
