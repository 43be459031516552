"""Which keys are held, since when, with which content: exact, in memory and on local disk.

Owns: the table of keys, the runs and segments on disk, their folder and its lock.
Does not own: the log, ClickHouse and the ledger: it is told what was accepted, acknowledged and
proved (`streams/lane.py`, `streams/loading.py`).
Invariants: no verdict is ever false: filters only save work, a key is compared whole; a file is
believed only while its checksum, its log and its counts are right; what is lost on disk costs a
query, a full disk costs memory.
"""

from __future__ import annotations

from streams.index.dedupe import HOT_KEYS_MAX, DedupeIndex
from streams.index.folder import Folder
from streams.index.hot_kernels import ACCEPTED, CONFLICT, DUPLICATE, REJECTED
from streams.index.segments import Binding

__all__ = [
    "ACCEPTED", "CONFLICT", "DUPLICATE", "HOT_KEYS_MAX", "REJECTED", "Binding", "DedupeIndex",
    "Folder",
]  # fmt: skip
