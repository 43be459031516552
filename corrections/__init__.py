"""Bulk corrections: a time of some subjects' events replaced by a file, as one named operation.

Owns: the operations, which events they void and post, how they are gone on with and reverted.
Does not own: what a void means (`streams`), reading events (`usage`), the way into the log
(`ingest`).
Invariants: nothing in the log is changed, a correction is voids and new events; every id follows
from the operation, so doing a part of it again adds nothing; a revert leaves the usage as it was.
"""
