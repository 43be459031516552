"""Checks from memory: what was asked lately is read again in the background, before it is old.

A check is answered from memory while what is known is at most `fresh_seconds` old and its window
is not over; else it is read. While a server is away, what is known is told with its age up to
`stale_seconds`, then nothing is.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

from prometheus_client import Counter, Histogram

from core import metric_names
from core.acting import Acting
from core.clock import Clock, monotonic_seconds
from core.errors import DependencyDownError, TollbookError
from core.ids import TenantId
from entitlements.measuring import Measured

_log: Final = logging.getLogger(__name__)
_CHECKS: Final = Counter(
    metric_names.ENTITLEMENT_CHECKS, "Checks, by where their answer came from.", ("source",)
)
_AGE: Final = Histogram(
    metric_names.ENTITLEMENT_AGE_SECONDS,
    "How old what is told of a check is.",
    buckets=(0.1, 0.5, 1, 2, 3, 5, 10, 60),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A customer, as it was asked for, and a feature."""

    tenant_id: TenantId
    customer: str
    feature: str


class Measures(Protocol):
    """Reads how a customer stands with a feature."""

    def measure(self, acting: Acting, customer: str, feature: str) -> Measured:
        """See `entitlements.measuring.Measuring.measure`."""
        ...


@dataclass(frozen=True, slots=True)
class Ages:
    """Attributes, all but the last in seconds.

    Attributes:
        renew: What is older is read again in the background.
        fresh: What is older is read before it is told.
        stale: What is older is not told, even where nothing can be read.
        forget: What nobody asked for that long is not read again.
        questions_max: So many are remembered, those asked last.
    """

    renew: float = 1.0
    fresh: float = 3.0
    stale: float = 60.0
    forget: float = 60.0
    questions_max: int = 10_000


@dataclass(slots=True)
class _Entry:
    known: Measured
    read_at: float
    asked_at: float


class Memory:
    """What is known of questions that were asked lately; safe to share between threads."""

    def __init__(self, measures: Measures, clock: Clock, ages: Ages | None = None) -> None:
        self.ages = ages or Ages()
        self._measures = measures
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, question: Question) -> Measured | None:
        """What is known, if it is fresh; else None."""
        entry = self._asked(question)
        if entry is None or not self._is_good(entry, self.ages.fresh):
            return None
        _told(entry, "memory")
        return entry.known

    def read(self, question: Question) -> Measured:
        """What is read now; while a server is away, what is known.

        Raises `DependencyDownError` where that is too old, and as `Measuring.measure`.
        """
        try:
            entry = self._renew(question)
        except DependencyDownError:
            known = self._asked(question)
            if known is None or not self._is_good(known, self.ages.stale):
                raise
            _told(known, "stale")
            return known.known
        _told(entry, "read")
        return entry.known

    def _asked(self, question: Question) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(question)
            if entry is not None:
                entry.asked_at = monotonic_seconds()
                self._entries.move_to_end(question)
            return entry

    def _is_good(self, entry: _Entry, seconds: float) -> bool:
        known, given = entry.known, entry.known.given
        now = known.as_of + known.elapsed(self._clock.now())
        is_over = given is not None and now >= given.window.end
        return monotonic_seconds() - entry.read_at <= seconds and not is_over

    def _renew(self, question: Question) -> _Entry:
        read_at = monotonic_seconds()  # before it is read: its age is never told too small
        acting = Acting(question.tenant_id)
        known = self._measures.measure(acting, question.customer, question.feature)
        with self._lock:
            held = self._entries.get(question)
            if held is not None and held.read_at > read_at:
                return held
            entry = _Entry(known, read_at, read_at if held is None else held.asked_at)
            self._entries[question] = entry
            while len(self._entries) > self.ages.questions_max:
                self._entries.popitem(last=False)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="entitlements", daemon=True)
                self._thread.start()
        return entry

    def _run(self) -> None:
        while not self._stop.wait(self.ages.renew / 4):
            for question in self._due():
                if self._stop.is_set():
                    return
                try:
                    self._renew(question)
                except DependencyDownError:
                    break  # the next round tries again; until then what is known grows old
                except TollbookError:
                    self._forget(question)  # gone: whoever asks again is told so
                except Exception:  # noqa: BLE001 - a dead thread would let all grow old for good
                    _log.exception("could not read an entitlement")
                    self._forget(question)

    def _due(self) -> list[Question]:
        """What is to be read again, the oldest first; what nobody asks for is forgotten."""
        now = monotonic_seconds()
        with self._lock:
            asked = list(self._entries.items())
            for question, entry in asked:
                if now - entry.asked_at > self.ages.forget:
                    del self._entries[question]
        due = [
            (entry.read_at, number)
            for number, (_, entry) in enumerate(asked)
            if now - entry.read_at >= self.ages.renew and now - entry.asked_at <= self.ages.forget
        ]
        return [asked[number][0] for _, number in sorted(due)]

    def _forget(self, question: Question) -> None:
        with self._lock:
            self._entries.pop(question, None)


def _told(entry: _Entry, source: str) -> None:
    _CHECKS.labels(source).inc()
    _AGE.observe(monotonic_seconds() - entry.read_at)
