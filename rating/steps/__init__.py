"""The steps around a price model: one file each, in order in `rating.engine.STEPS`.

Owns: what each field of a price's `adjustments` does to a line, and how it is told. Does not own:
how the fields are written (`rating/around.py`), models, the one rounding.
Invariants: a step works on all lines of all prices in one pass, and does nothing at all where no
price asks for it; amounts stay exact; what a step took off a line stays beside it as a number, so
that the derivation tells the very numbers that were used.
To add one: a file with its rule and an example, an entry in `STEPS`, a same-named test and a
heading in `docs/reference/prices/around-the-price.md`.
"""
