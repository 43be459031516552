"""Events on their way: recorded, and not yet with a verdict of the server."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from tollbook.bell import Bell
from tollbook.clock import monotonic_seconds
from tollbook.errors import ClientClosedError, QueueFullError
from tollbook.verdicts import Rejection


@dataclass(frozen=True)
class Batch:
    """The oldest events of a source; `end` is the source's own name for the place after them."""

    wires: Sequence[bytes]
    end: int
    size_bytes: int


class Source(ABC):
    """Where the sender takes events from, oldest first.

    Attributes:
        outlives: Whether events stay here until the server has said something on each of them.
    """

    outlives: bool

    @abstractmethod
    def take(self, events_max: int, bytes_max: int) -> Batch | None:
        """The oldest events, at least one and otherwise within both bounds; None: there are none.

        They stay here until `settle`; until then the next `take` begins with the same events.
        """

    @abstractmethod
    def settle(self, batch: Batch) -> None:
        """Forget the events of the last batch taken."""

    @abstractmethod
    def keep_refused(self, rejections: Sequence[Rejection]) -> None:
        """Put aside what the server refused, where there is a place for it."""


class Queue(Source):
    """The source that this client records into.

    Attributes:
        size_bytes: The sum of the sizes of the events that wait.
    """

    size_bytes: int

    def __init__(self, bell: Bell) -> None:
        self.bell = bell
        self.lock = threading.Lock()

    @property
    @abstractmethod
    def count(self) -> int:
        """How many events wait."""

    @abstractmethod
    def append(self, wire: bytes, *, may_block: bool = True) -> None:
        """Record an event; when this returns, it is recorded."""

    @abstractmethod
    def mark(self) -> int:
        """The place after the event recorded last."""

    @abstractmethod
    def has_settled(self, mark: int) -> bool:
        """Whether everything before a mark is settled."""

    @abstractmethod
    def seal(self) -> None:
        """Take no more events."""

    def close(self) -> None:
        """Give back what is held, once the sender has ended."""

    def arm(self, events: float, size_bytes: float) -> None:
        """Have the bell rung at this much, at once if so much waits already."""
        with self.lock:
            self.bell.arm(events, size_bytes)
            self._ring_if_due()

    def _ring_if_due(self) -> None:
        if self.count >= self.bell.at_events or self.size_bytes >= self.bell.at_bytes:
            self.bell.ring()


class MemoryQueue(Queue):
    """A bounded queue in memory.

    Args:
        bell: Wakes the sender.
        events_max: Room for so many events,
        bytes_max: and for so many bytes of them, at least the longest event.
        block_seconds: How long `append` waits for room.
    """

    outlives = False

    def __init__(self, bell: Bell, events_max: int, bytes_max: int, block_seconds: float) -> None:
        super().__init__(bell)
        self.size_bytes = 0
        self._events_max, self._bytes_max = events_max, bytes_max
        self._block_seconds = block_seconds
        self._wires: deque[bytes] = deque()
        self._settled = 0
        self._is_closed = False
        self._room = threading.Condition(self.lock)

    @property
    def count(self) -> int:
        """How many events wait."""
        return len(self._wires)

    def append(self, wire: bytes, *, may_block: bool = True) -> None:
        """Keep an event. Raises `QueueFullError` where no room comes in time."""
        with self.lock:
            wires, size_bytes = self._wires, self.size_bytes + len(wire)
            if self._is_closed or len(wires) >= self._events_max or size_bytes > self._bytes_max:
                self._wait_for_room(len(wire), self._block_seconds if may_block else 0.0)
                size_bytes = self.size_bytes + len(wire)
            wires.append(wire)
            self.size_bytes = size_bytes
            if len(wires) >= self.bell.at_events or size_bytes >= self.bell.at_bytes:
                self.bell.ring()

    def _wait_for_room(self, size: int, seconds: float) -> None:
        deadline = monotonic_seconds() + seconds
        while not self._has_room(size):
            left = deadline - monotonic_seconds()
            if self._is_closed:
                raise ClientClosedError("the client is closed: record before close()")
            if left <= 0:
                raise QueueFullError(
                    f"the queue is full ({len(self._wires)} events, {self.size_bytes} bytes): raise"
                    " queue_events or queue_bytes, set block_seconds to wait, or use a spool"
                )
            self._room.wait(min(left, threading.TIMEOUT_MAX))

    def _has_room(self, size: int) -> bool:
        if self._is_closed:
            return False
        return len(self._wires) < self._events_max and self.size_bytes + size <= self._bytes_max

    def take(self, events_max: int, bytes_max: int) -> Batch | None:
        """The oldest events."""
        with self.lock:
            wires = list(islice(self._wires, events_max))
        size_bytes = sum(map(len, wires))
        while len(wires) > 1 and size_bytes > bytes_max:
            size_bytes -= len(wires.pop())
        return Batch(wires, self._settled + len(wires), size_bytes) if wires else None

    def settle(self, batch: Batch) -> None:
        """Forget events that have their verdict; they are the oldest ones."""
        with self.lock:
            for _ in batch.wires:
                self._wires.popleft()
            self.size_bytes -= batch.size_bytes
            self._settled = batch.end
            self._room.notify_all()

    def keep_refused(self, rejections: Sequence[Rejection]) -> None:
        """They are in the result and in the callbacks, and nowhere else."""

    def mark(self) -> int:
        """How many events were recorded."""
        with self.lock:
            return self._settled + len(self._wires)

    def has_settled(self, mark: int) -> bool:
        """Whether so many events have left."""
        return self._settled >= mark

    def seal(self) -> None:
        """Take no more events; whoever waits for room is told."""
        with self.lock:
            self._is_closed = True
            self._room.notify_all()
