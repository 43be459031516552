"""Routes in the words of other products: a team moves to Tollbook by changing a base URL.

Owns: their paths, success answers, statuses and error bodies. Does not own: what a body means
(`ingest/compat/`), what is counted. Invariants: what a peer's unmodified client expects is what it
gets; an event is answered for after Kafka's acknowledgement only; a request is taken whole or not
at all.
"""
