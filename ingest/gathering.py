"""What waits to be published together: events of requests, and bodies that are read together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from core.cloudevents.columnar.admitting import admit_joined
from core.errors import DependencyDownError, TollbookError
from core.faults import reach
from core.ids import TenantId
from ingest.limits.limiter import Sender
from ingest.passage import Origin

_DOWN_RETRY_AFTER_SECONDS: Final = 5


@dataclass(slots=True)
class Body:
    """A body that is read with others of its tenant: read alone, a small one costs far more.

    Attributes:
        sender: Whose events these are; told how many it has, may refuse them.
        text: JSON, an array of events or one event.
        received_micros: When it came, in microseconds since the epoch.
        events: How many it has, once it was read.
        old_events: Those of them whose copies may not be recognised for ever.
    """

    sender: Sender
    text: bytes
    received_micros: int
    events: int = 0
    old_events: int = 0


@dataclass(slots=True)
class Waiting:
    """One request: a batch with the schema of an envelope, or a body.

    `settled` resolves to True when Kafka has all envelopes with its events, to False when its body
    has to be read alone. `left` counts the envelopes that are on their way. `release` is called
    with its `size_bytes` when it waits no more, however that ends.
    """

    what: pa.RecordBatch | Body
    size_bytes: int
    settled: asyncio.Future[bool]
    origin: Origin
    release: Callable[[int], None]
    left: int = 0
    reason: str | None = None

    def arrived(self, reason: str | None) -> None:
        """Kafka has one of the envelopes, or does not for a reason."""
        self.left -= 1
        if reason is not None:
            self.reason = self.reason or reason
        if not self.left:
            if self.reason is None:
                reach("ingest_after_acknowledgements")
                self.settle(through=True)
            else:
                self.fail(down(f"Kafka did not take the events: {self.reason}"))

    def settle(self, *, through: bool) -> None:
        """Resolve `settled`, unless the request was given up."""
        self._let_go()
        if not self.settled.done():
            self.settled.set_result(through)

    def fail(self, error: Exception) -> None:
        """The same with an error."""
        self._let_go()
        if not self.settled.done():
            self.settled.set_exception(error)

    def _let_go(self) -> None:
        size_bytes, self.size_bytes = self.size_bytes, 0
        self.release(size_bytes)


def down(message: str) -> DependencyDownError:
    """Kafka does not take events now."""
    return DependencyDownError(message, retry_after_seconds=_DOWN_RETRY_AFTER_SECONDS)


class Gathered(NamedTuple):
    """Requests with the numbers of their events, and all these events, in the same order."""

    requests: list[Waiting]
    counts: list[int]
    batch: pa.RecordBatch | None


def gather(waiting: Sequence[Waiting]) -> Gathered:
    """The events of all requests in one batch; None where there is none.

    Requests whose bodies have to be read alone, or whose events are refused, are settled here and
    left out.
    """
    requests: list[Waiting] = []
    counts: list[int] = []
    batches: list[pa.RecordBatch] = []
    bodies: defaultdict[TenantId, list[tuple[Waiting, Body]]] = defaultdict(list)
    for request in waiting:
        if isinstance(request.what, Body):
            bodies[request.what.sender.tenant_id].append((request, request.what))
        else:
            requests.append(request)
            counts.append(request.what.num_rows)
            batches.append(request.what)
    for some in bodies.values():
        read = _read(some)
        if read.batch is not None:
            requests += read.requests
            counts += read.counts
            batches.append(read.batch)
    if len(batches) > 1:
        whole = pa.Table.from_batches(batches).combine_chunks()
        return Gathered(requests, counts, whole.to_batches()[0])
    return Gathered(requests, counts, batches[0] if batches else None)


def _read(some: Sequence[tuple[Waiting, Body]]) -> Gathered:
    """The events of some bodies of one tenant."""
    first = some[0][1]
    received_micros = min(body.received_micros for _, body in some)
    tenant_id = str(first.sender.tenant_id)
    joined = admit_joined([body.text for _, body in some], tenant_id, received_micros)
    if joined is None:
        for request, _ in some:
            request.settle(through=False)
        return Gathered([], [], None)
    requests: list[Waiting] = []
    kept = np.ones(len(some), np.bool_)
    counts, old_counts = joined.counts.tolist(), joined.old_counts.tolist()
    for place, (request, body) in enumerate(some):
        body.events, body.old_events = counts[place], old_counts[place]
        try:
            body.sender.spend(body.events, len(body.text))
        except TollbookError as error:
            request.fail(error)
            kept[place] = False
        else:
            requests.append(request)
    if len(requests) == len(some):
        return Gathered(requests, counts, joined.batch)
    batch = joined.batch.filter(pa.array(np.repeat(kept, joined.counts)))
    return Gathered(requests, joined.counts[kept].tolist(), batch if batch.num_rows else None)
