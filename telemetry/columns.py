"""A histogram that takes whole columns: what has a value for each event is never seen singly."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class ColumnHistogram(Collector):
    """Counts of values by upper bound (inclusive). Threads may share it; register it once.

    The values observed are whole numbers, `per_unit` of them to one unit of the bounds.
    """

    def __init__(
        self, name: str, documentation: str, bounds: Sequence[float], per_unit: int = 1
    ) -> None:
        self._name, self._documentation = name, documentation
        self._shown = [*map(floatToGoString, bounds), "+Inf"]
        self._bounds = np.array([round(bound * per_unit) for bound in bounds], np.int64)
        self._per_unit = per_unit
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0
        self._lock = threading.Lock()

    def observe(self, values: npt.NDArray[np.int64]) -> None:
        """Count every value of a column."""
        if not len(values):
            return
        # A column spans few bounds: comparing with each of them is less than placing each value.
        ends = np.array([values.min(), values.max()])
        first, last = np.searchsorted(self._bounds, ends, side="left").tolist()
        counts = np.zeros_like(self._counts)
        below = 0
        for place in range(first, last):
            up_to = int(np.count_nonzero(values <= self._bounds[place]))
            counts[place], below = up_to - below, up_to
        counts[last] = len(values) - below
        total = int(values.sum())
        with self._lock:
            self._counts += counts
            self._sum += total

    def collect(self) -> Iterable[Metric]:
        """The histogram as it stands."""
        with self._lock:
            cumulative, total = np.cumsum(self._counts).tolist(), self._sum
        yield HistogramMetricFamily(
            self._name,
            self._documentation,
            buckets=list(zip(self._shown, cumulative, strict=True)),
            sum_value=total / self._per_unit,
        )
