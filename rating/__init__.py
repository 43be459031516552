"""Usage and prices in, rated lines out: every amount exact, then rounded once.

Owns: the price models (one file each in `prices/`), the ordered list of steps, the one rounding,
the split of a whole into parts. Does not own: which prices apply to whom (`catalog/`,
`subscriptions/`), what was used (`usage/`), what becomes of a line (`invoicing/`).
Invariants: nothing here knows the time, does IO, reads settings or writes a log; the same frames
give the same frame; an amount equals the exact product up to its one rounding, or a typed error
names the lines; no number is a binary fraction.
"""
