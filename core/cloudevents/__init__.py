"""CloudEvents in JSON, read and checked: the one contract of every way into the log.

Owns: an event as a sender wrote it, reading it, the check of each event, and the accepted ones as
columns of an envelope. Does not own: transports, who the sender is, verdicts (`streams`).
Invariants: pure; the same text, tenant and receive time give the same columns, keys and reasons;
`data` stays the exact text received.
"""
