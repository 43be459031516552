"""The read side of ClickHouse: what was used, by whom, when, up to which point of the log.

Owns: every query of usage, and the proof that stored totals equal their events.
Does not own: writing; prices.
Invariants: the ledger is read first and fixes the cut; an answer is exact at its cut, whatever is
written meanwhile; every query names its tenant.
"""
