"""Derived tables emptied, wholly or where they are damaged, so that they are made again.

Owns: what may be emptied, when, and in which order. Does not own: making it again: the events come
from the log by a worker, the totals from the events by the jobs.
Invariants: nothing is emptied that cannot be made again; the proof goes first, then what it proves.
"""
