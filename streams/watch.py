"""One lane as it is watched: what its steps did, for which requests, how long it took.

The lane's thread tells; nothing here looks at single events.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from core.clock import Clock, SystemClock, monotonic_seconds
from streams.lane import COUNTS, Flush, Lane
from streams.metrics import (
    EVENTS,
    FRESHNESS,
    IMBALANCE,
    LANES,
    RECORDS,
    VERDICTS,
    LaneFacts,
    count_unmeterable,
    timed,
)
from telemetry.correlation import IDS_HEADER, pack_ids, unpack_ids
from telemetry.tracing import (
    TRACEPARENT,
    current_context,
    parse_traceparent,
    traceparent_of,
    tracing,
)

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

_LOG: Final = logging.getLogger(__name__)
_EVENTS_HEADER: Final = "tollbook-events"
_DIGITS_MAX: Final = 9

Headers = Sequence[tuple[str, bytes]]
"""The headers of a record, as the consumer gives them."""


class Sent(NamedTuple):
    """What a record's headers say: `events` as its producer counted them, None if it did not."""

    events: int | None
    ids: bytes
    traceparent: bytes


NOTHING_SENT: Final = Sent(None, b"", b"")


def sent_of(headers: Headers | None) -> Sent:
    """Read the headers of a record; foreign ones are passed over."""
    found = dict(headers or ())
    count = found.get(_EVENTS_HEADER, b"")
    known = count.isdigit() and len(count) <= _DIGITS_MAX
    return Sent(
        int(count) if known else None, found.get(IDS_HEADER, b""), found.get(TRACEPARENT, b"")
    )


_comment: ContextVar[str] = ContextVar("insert_comment", default="")


@contextmanager
def inserting(table: str) -> Iterator[dict[str, Any]]:
    """Around one write to a table; gives what to tell ClickHouse about it."""
    comment = _comment.get()
    told: dict[str, Any] = {"settings": {"log_comment": comment}} if comment else {}
    active = tracing() if current_context() is not None else None
    span = nullcontext() if active is None else active.calling(f"insert {table}")
    with timed(table), span as opened:
        if opened is not None:
            opened.set_attribute("db.system", "clickhouse")
            opened.set_attribute("db.collection.name", table)
            context = opened.get_span_context()
            told["transport_settings"] = {TRACEPARENT: traceparent_of(context)}
        yield told


class LaneWatch:
    """Watches one lane until `close()`."""

    def __init__(
        self, generation: int, partition: int, chunk_records: int, clock: Clock | None = None
    ) -> None:
        self.facts = LaneFacts(generation, partition)
        self._chunk, self._clock = chunk_records, clock or SystemClock()
        self._counts = np.zeros(len(COUNTS), np.int64)
        self._announced: dict[int, int | None] = {}
        LANES.add(self.facts)

    def close(self) -> None:
        """Watch no more."""
        LANES.remove(self.facts)

    def opened(self, lane: Lane) -> None:
        """The lane goes on where its ledger ends, maybe in an open chunk."""
        self.facts.proved_end, self.facts.index_keys = lane.next_offset, lane.keys_held
        self._counts = np.array(lane.open_counts, np.int64)

    @contextmanager
    def step(self, offsets: Sequence[int], sent: Sequence[Sent]) -> Iterator[None]:
        """Around the work on some records, in the thread that does it."""
        self._announced = dict(zip(offsets, (each.events for each in sent), strict=True))
        debug = _LOG.isEnabledFor(logging.DEBUG)
        ids = [
            each
            for packed in sent
            if packed.ids and (debug or b"+" in packed.ids)
            for each in unpack_ids(packed.ids)
            if debug or each.brought
        ]
        began = monotonic_seconds()
        token = _comment.set(pack_ids(ids).decode())
        try:
            with self._span(sent):
                yield
        finally:
            _comment.reset(token)
        if ids:
            context = {
                "generation": self.facts.generation,
                "partition": self.facts.partition,
                "first_offset": offsets[0],
                "last_offset": offsets[-1],
                "request_ids": [each.text for each in ids],
                "milliseconds": round((monotonic_seconds() - began) * 1000, 3),
            }
            level = logging.INFO if any(each.brought for each in ids) else logging.DEBUG
            _LOG.log(level, "records counted", extra={"context": context})

    def flushed(self, flush: Flush) -> None:
        """Everything of a flush is acknowledged: queries see it now."""
        if not len(flush.ledger):
            return
        columns = [flush.ledger[name].to_numpy() for name in COUNTS]
        counts = np.stack(columns, axis=1).astype(np.int64)
        step = dict(zip(COUNTS, (counts.sum(axis=0) - self._counts).tolist(), strict=True))
        last, first = int(flush.ledger["last_offset"][-1]), self.facts.proved_end
        complete = (last + 1) % self._chunk == 0
        self._counts = np.zeros_like(self._counts) if complete else counts[-1]
        self.facts.proved_end = last + 1
        RECORDS.inc(step["records"])
        for column, verdict in VERDICTS.items():
            if step[column]:
                EVENTS.labels(verdict).inc(step[column])
        if first is not None:
            self._balance(flush, range(first, last + 1), step["events"])
        if len(flush.events):
            now = self._clock.now_micros()
            received = flush.events["received_at"].to_physical().to_numpy()
            FRESHNESS.observe(now - received)
        if flush.usage is not None:
            count_unmeterable(flush.usage)

    def waits(self, oldest_ms: int | None, *, uncommitted: bool, moved: bool) -> None:
        """What the lane holds: `moved` says that the offset to commit has just moved."""
        self.facts.oldest_ms = oldest_ms
        if not uncommitted:
            self.facts.uncommitted_since = None
        elif moved or self.facts.uncommitted_since is None:
            self.facts.uncommitted_since = monotonic_seconds()

    def _balance(self, flush: Flush, offsets: Iterable[int], events: int) -> None:
        """Compare what producers announced with the ledger, where all of them did."""
        dead = {letter.offset for letter in flush.dead}
        expected = 0
        for offset in offsets:
            announced = 1 if offset in dead else self._announced.get(offset)
            if announced is None:
                return
            expected += announced
        if expected != events:
            IMBALANCE.inc(abs(expected - events))
            _LOG.error(
                "the ledger is out of balance",
                extra={"context": {"announced": expected, "in_ledger": events}},
            )

    @contextmanager
    def _span(self, sent: Sequence[Sent]) -> Iterator[None]:
        active = tracing()
        origins = [] if active is None else _contexts(sent)
        if active is None or not origins:
            yield
            return
        with active.consuming("usage.events process", origins) as span:
            span.set_attribute("messaging.system", "kafka")
            span.set_attribute("messaging.batch.message_count", len(sent))
            span.set_attribute("messaging.destination.partition.id", str(self.facts.partition))
            yield


def _contexts(sent: Iterable[Sent]) -> list[SpanContext]:
    texts = dict.fromkeys(each.traceparent.decode("ascii", "replace") for each in sent)
    found = (parse_traceparent(text) for text in texts if text)
    return [context for context in found if context is not None]
