"""What a meter means: the one kernel from events to the rows of a meter.

Owns: reading exact values out of an event's `data` text, and aggregating events by meter, subject
and hour. Does not own: where events come from or go to; it does no IO.
Invariants: a pure function of its arguments; stream workers, readers and verification all call this
one; a value is exact or it is unmeterable, never rounded, never zero instead.
"""
