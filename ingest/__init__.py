"""Usage events over HTTP into the log: decode, check, gather into envelopes, answer honestly.

Owns: what a content type means, gathering into envelopes, the Kafka producer, and the answer to the
sender. Does not own: the contract of an event (`core.cloudevents`), who the sender is (a
`principal_of` is passed in), HTTP error bodies (`api/`), dedupe and metering (`streams/`).
Invariants: an event is counted as accepted only after Kafka acknowledged, on all in-sync replicas,
the envelope that holds it; nothing here reads ClickHouse or Postgres; all copies of an event go to
one partition; `data` is passed on as the exact text received; every queue is bounded.
"""
