"""The life of a subscription: its states, its terms over time, and how commands change them.

Owns: the table of states (`lifecycle`), what holds when (`timeline`), both together (`standing`),
creating, operating and migrating, and what is written of each. Does not own: what a single command
means (`subscriptions.commands`), which periods are due (`subscriptions.periods`).
Invariants: what is past stays as it was billed; each change is written with its history and its
event in one transaction; what comes by itself comes at its instant, whoever looks first.
"""
