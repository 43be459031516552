"""Routes of the management API, a module for each kind of thing.

Owns: paths, bodies and answers in HTTP's words. Does not own: what happens (a service below does).
Invariants: a route asks for a scope before it does anything; a POST that creates takes an
`Idempotency-Key`; a list has cursors.
"""
