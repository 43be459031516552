"""Wire formats, one file each: how a body of `POST /v1/events` is read.

Owns: which media type names which format, and how each reads its bodies. Does not own: the contract
that every event keeps, nor what is done with the events. Invariants: a format gives an event, or a
rejection with its reason, for everything in a body that can be an event; a body that cannot be read
at all is a `ValidationError`.
"""
