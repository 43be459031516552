"""Back-fill and roll-up: complete runs of the log brought to a newer catalog, and merged.

Owns: the ledger rows of complete chunks with a newer catalog version, the levels above the chunks.
Does not own: chunks that are open, and everything that the log decides (`streams.lane`).
Invariants: a job is a function of what the ledger proves, so any worker may do it at any moment, in
part, twice or beside another one: it writes the same rows under the same keys and versions, and its
ledger row last.
"""
