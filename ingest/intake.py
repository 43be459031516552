"""A sender's request: decoded, checked, published, answered. Knows no web framework."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa

from core.clock import Clock
from core.cloudevents.contract import Admitted, admit
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import TooLargeError, ValidationError
from ingest.formats.wire_format import WireFormat
from ingest.gathering import Body
from ingest.limits.limiter import Sender
from ingest.metrics import ACCEPTED, REJECTED
from ingest.publisher import Publisher

_TABLE_THREADS: Final = 2
_TOGETHER_BYTES_MAX: Final = 64 * 1024
"""Longer bodies are worth reading alone, when they come."""

OLD_CODE: Final = "older_than_dedupe_horizon"


class Notice(msgspec.Struct, frozen=True):
    """Something that the sender should know about accepted events."""

    code: str
    count: int
    message: str


class Answer(msgspec.Struct, frozen=True):
    """The body of a `202`: how many events are in the log, and a verdict on each that is not."""

    accepted: int
    rejected: list[Rejection]
    notices: list[Notice] = []


class Admission(msgspec.Struct, frozen=True):
    """What became of events that were translated: all of them are in the log, or none.

    `rejections` has a verdict on each event that keeps the others out; `received_micros` is the
    time of those that were sent without one.
    """

    received_micros: int
    accepted: int
    rejections: list[Rejection]


class Joined(NamedTuple):
    """A body that waits to be read with others; `settled` is for `Intake.answer_of`."""

    body: Body
    settled: asyncio.Future[bool]


class Intake:
    """Takes the events of one request at a time; any number may be under way."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._tables = ThreadPoolExecutor(_TABLE_THREADS, "tables")

    def close(self) -> None:
        """Wait for no table any more."""
        self._tables.shutdown(wait=False, cancel_futures=True)

    async def take(self, sender: Sender, wire_format: WireFormat, body: bytes) -> Answer:
        """Put the good events of a body into the log.

        Raises `ValidationError` when the body is no events at all or none of them is good,
        `TooLargeError`, `RateLimitError`, and `DependencyDownError` when Kafka did not acknowledge
        them: then all are to be sent again with the same ids.
        """
        if not may_be_joined(wire_format, body):
            return await self.take_alone(wire_format, Body(sender, body, self._clock.now_micros()))
        joined = self.join(sender, body)
        with suppress(Exception):
            await joined.settled
        answer = self.answer_of(joined)
        return await self.take_alone(wire_format, joined.body) if answer is None else answer

    def join(self, sender: Sender, body: bytes) -> Joined:
        """Let a body that `may_be_joined` be read with those of others. Raises as `take`."""
        joined = Body(sender, body, self._clock.now_micros())
        return Joined(joined, self._publisher.publish_body(joined))

    def answer_of(self, joined: Joined) -> Answer | None:
        """The answer once it is settled, or None when the body has to be read alone.

        Raises as `take`.
        """
        try:
            was_clean = joined.settled.result()
        except Exception:
            joined.body.sender.give_back()
            raise
        if not was_clean:
            return None
        ACCEPTED.inc(joined.body.events)
        return Answer(joined.body.events, [], _notices(joined.body.old_events))

    async def take_alone(self, wire_format: WireFormat, alone: Body) -> Answer:
        """As `take` does, of a body that is not read together with others."""
        sender, body, received_micros = alone.sender, alone.text, alone.received_micros
        tenant_id = str(sender.tenant_id)
        if wire_format.admit_clean is not None:
            clean = wire_format.admit_clean(body, tenant_id, received_micros)
            if clean is not None:
                return await self._put(sender, clean.batch, clean.old_count, [], len(body))
        try:
            events = await self._decode(wire_format, body)
        except (ValidationError, TooLargeError):
            sender.spend(0, len(body))  # reading it was work, too
            raise
        # JSON without the two characters \u cannot hold an escaped NUL.
        may_hold_nul = not wire_format.is_json or b"\\u" in body
        admitted = admit(events, tenant_id, received_micros, escaped=may_hold_nul)
        if admitted.rejections and not len(admitted.columns):
            sender.spend(len(admitted.rejections), len(body))
            REJECTED.inc(len(admitted.rejections))
            raise _all_rejected(admitted)
        batch = admitted.columns.as_batch()
        # A table may say in few bytes what is written out for each event.
        size_bytes = len(body) if wire_format.is_json else max(len(body), batch.nbytes)
        return await self._put(sender, batch, admitted.old_count, admitted.rejections, size_bytes)

    async def _decode(
        self, wire_format: WireFormat, body: bytes
    ) -> Sequence[WireEvent | Rejection]:
        """A table takes its time, perhaps that of another process, from threads of its own."""
        if wire_format.is_json:
            return wire_format.decode(body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tables, wire_format.decode, body)

    async def take_events(
        self, sender: Sender, events: Sequence[WireEvent | Rejection], size_bytes: int
    ) -> Admission:
        """Put events that were translated from another form into the log, all or none of them.

        `size_bytes` is what they weigh. Raises `RateLimitError`, and `DependencyDownError` when
        Kafka did not acknowledge them: then all are to be sent again with the same ids.
        """
        received_micros = self._clock.now_micros()
        admitted = admit(events, str(sender.tenant_id), received_micros, escaped=True)
        if admitted.rejections:
            sender.spend(len(events), size_bytes)
            REJECTED.inc(len(admitted.rejections))
            return Admission(received_micros, 0, admitted.rejections)
        batch = admitted.columns.as_batch()
        answer = await self._put(sender, batch, admitted.old_count, [], size_bytes)
        return Admission(received_micros, answer.accepted, [])

    async def _put(
        self,
        sender: Sender,
        batch: pa.RecordBatch,
        old_count: int,
        rejections: list[Rejection],
        size_bytes: int,
    ) -> Answer:
        sender.spend(batch.num_rows + len(rejections), size_bytes)
        REJECTED.inc(len(rejections))
        try:
            await self._publisher.publish(batch, size_bytes)
        except Exception:
            sender.give_back()
            raise
        ACCEPTED.inc(batch.num_rows)
        return Answer(batch.num_rows, rejections, _notices(old_count))


def may_be_joined(wire_format: WireFormat, body: bytes) -> bool:
    """Whether a body may be read with those of other requests."""
    if len(body) > _TOGETHER_BYTES_MAX:
        return False
    opening = body[:1] if body[:1] in wire_format.opens_with else body.lstrip()[:1]
    return opening != b"" and opening in wire_format.opens_with


def _all_rejected(admitted: Admitted) -> ValidationError:
    first = admitted.rejections[0]
    return ValidationError(
        f"none of the {len(admitted.rejections)} events was accepted; the first: {first.message}",
        accepted=0,
        rejected=msgspec.to_builtins(admitted.rejections),
    )


def _notices(old_count: int) -> list[Notice]:
    if not old_count:
        return []
    return [
        Notice(
            OLD_CODE,
            old_count,
            "accepted; their time lies so far back that a copy sent again after the dedupe horizon"
            " of 35 days would be counted again",
        )
    ]
