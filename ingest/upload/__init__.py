"""Sending files of events to an ingest server: what `tollbook ingest` does.

Owns: cutting a file into requests, sending them until each has a verdict, going on after a break.
Does not own: the wire formats, nor the verdicts. Invariants: an event's id never depends on how
often or in which pieces a file is sent, so that it counts once; nothing of a file is held but the
pieces under way.
"""
