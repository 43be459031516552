"""Kafka to ClickHouse: dedupe, meter, store; every stored number a pure function of the log.

Owns: the Faust worker, verdicts, the dedupe index, chunks, the tables `usage_events`,
`meter_usage`, `stream_ledger`, `stream_conflicts` and the dead-letter topic.
Does not own: invoices, subscriptions, payments; what a meter means (`catalog.metering`).
Invariants: writes are keyed by log position, so doing them again adds nothing; the ledger row of a
stretch of the log is written after everything that it proves; any failure ends the process.
"""
