"""What ingest counts about itself."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from core import metric_names

_EVENTS: Final = Counter(
    metric_names.INGEST_EVENTS, "Events taken into the log, and refused ones.", ("outcome",)
)
ACCEPTED: Final = _EVENTS.labels("accepted")
REJECTED: Final = _EVENTS.labels("rejected")
ACKNOWLEDGEMENT_SECONDS: Final = Histogram(
    metric_names.INGEST_ACKNOWLEDGEMENT_SECONDS,
    "From handing an envelope to the producer to the broker's acknowledgement.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
HELD_BYTES: Final = Gauge(
    metric_names.INGEST_HELD_BYTES, "Events that wait for Kafka.", multiprocess_mode="livesum"
)
_REFUSED: Final = Counter(
    metric_names.INGEST_REFUSED, "Requests told to come back later.", ("reason",)
)
REFUSED: Final = {
    reason: _REFUSED.labels(reason) for reason in ("key", "tenant", "bodies", "events")
}
