"""Calendar arithmetic in a time zone: wall times, days, intervals, the periods of a cycle.

Owns: what a wall time means where clocks change, days counted in a zone, where the periods of a
cycle begin and end. Does not own: whose periods they are (`subscriptions/`), what a share of one is
worth (`rating/`).
Invariants: every function is pure and total over its stated range; every instant that comes out is
in UTC; periods touch, none is empty, and all are counted from the original anchor.
"""
