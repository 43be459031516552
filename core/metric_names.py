"""Every name of a metric, in one place. No label names a tenant, a customer or a subject.

Labels have few values, fixed by the code or by the log's partitions. Units stand in the names.
"""

from __future__ import annotations

from typing import Final

HTTP_REQUESTS: Final = "tollbook_http_requests"
"""Counter by `route` (its template) and `status`."""

HTTP_SECONDS: Final = "tollbook_http_request_seconds"
"""Histogram by `route`: from the first byte of a request to the last of its answer."""

PUBLIC_PLANS: Final = "tollbook_http_public_plans"
"""Counter by `source`: public lists of plans from memory, or from Postgres."""

INGEST_EVENTS: Final = "tollbook_ingest_events"
"""Counter by `outcome`: `accepted` once Kafka acknowledged them, or `rejected`."""

INGEST_ACKNOWLEDGEMENT_SECONDS: Final = "tollbook_ingest_acknowledgement_seconds"
"""Histogram: from handing an envelope to the producer to the broker's acknowledgement."""

INGEST_HELD_BYTES: Final = "tollbook_ingest_held_bytes"
"""Gauge: events that wait for Kafka, in bytes."""

INGEST_REFUSED: Final = "tollbook_ingest_refused"
"""Counter by `reason`: requests told to come back. `key` and `tenant`: over the rate limit of one
or the other; `bodies`: more was being read, `events`: more waited for Kafka, than may be held."""

HTTP_CONNECTIONS: Final = "tollbook_http_connections"
"""Gauge: open connections."""

HTTP_CONNECTIONS_ENDED: Final = "tollbook_http_connections_ended"
"""Counter by `reason`: connections that the server ended. `many`: over the limit; `slow_head`,
`slow_body`, `slow_reader`: over a time; `long_head`: over the size of a request's head."""

STREAM_EVENTS: Final = "tollbook_stream_events"
"""Counter by `verdict`: accepted, duplicate, conflict, rejected; written and acknowledged."""

STREAM_RECORDS: Final = "tollbook_stream_records"
"""Counter: records of the log proved by the ledger."""

STREAM_UNMETERABLE: Final = "tollbook_stream_unmeterable"
"""Counter by `reason`: values that a meter could not read, counted when their chunk completes."""

STREAM_FRESHNESS_SECONDS: Final = "tollbook_stream_freshness_seconds"
"""Histogram of accepted events: from their receipt to when queries see them."""

STREAM_LAG_RECORDS: Final = "tollbook_stream_lag_records"
"""Gauge by `generation` and `partition`: records of the log that the ledger does not prove yet."""

STREAM_LAG_SECONDS: Final = "tollbook_stream_lag_seconds"
"""Gauge by `generation` and `partition`: age of the oldest of them, 0 when there is none."""

STREAM_COMMIT_AGE_SECONDS: Final = "tollbook_stream_commit_age_seconds"
"""Gauge by `generation` and `partition`: since the committed offset last moved, 0 when nothing
waits to be committed. It moves when a chunk completes."""

STREAM_INDEX_KEYS: Final = "tollbook_stream_index_keys"
"""Gauge by `generation` and `partition`: keys in the dedupe index."""

STREAM_LEDGER_IMBALANCE: Final = "tollbook_stream_ledger_imbalance"
"""Counter: events that producers announced in their envelopes and the ledger does not hold, or the
other way round. Anything but 0 is a fault."""

STREAM_FLUSH_SECONDS: Final = "tollbook_stream_flush_seconds"
"""Histogram by `table`: one acknowledged write, its repetitions included."""

STREAM_WAITING: Final = "tollbook_stream_waiting_for_server"
"""Gauge: writes and reads that are being repeated because a server does not answer."""

STREAM_RETRIES: Final = "tollbook_stream_retries"
"""Counter: such repetitions."""

STREAM_HALTED: Final = "tollbook_stream_halted_partitions"
"""Gauge: partitions that wait for an operator's decision about a record."""

ENTITLEMENT_CHECKS: Final = "tollbook_entitlement_checks"
"""Counter by `source`: checks told from `memory`, `read` for them, or `stale`: a server is away."""

ENTITLEMENT_AGE_SECONDS: Final = "tollbook_entitlement_age_seconds"
"""Histogram: how old what is told of a check is."""

ENTITLEMENT_UNSENT_RECORDS: Final = "tollbook_entitlement_unsent_records"
"""Counter: records of use whose events a later sweep sent, as the call that wrote them did not."""
