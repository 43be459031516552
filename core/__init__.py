"""Words shared by every package: ids, money, time, errors, the wire event, topic names.

Owns: the vocabulary and its exact arithmetic. Does not own: any behaviour of a single context.
Invariants: imports nothing of ours; does no IO; reads no clock but through `Clock`; amounts and
quantities are `Decimal` or `int`, never a float.
"""
