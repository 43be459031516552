"""Commitments: an amount or a quantity agreed for a term, drawn down by what is used.

Owns: what the parameters of a commitment mean, how usage draws on it, what falls due for it, and
what rolls over. Does not own: when terms begin and end, and which lines count (`subscriptions/`).
Invariants: used = drawn from the roll-over + drawn from the commitment + over it; at a term's end,
committed + rolled in = drawn + rolled over + lapsed; no part of them is below zero in a term that
used no less than nothing.
"""
