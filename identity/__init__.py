"""Who uses Tollbook, and how a program proves who it is.

Owns: tenants, API keys, the sessions of keys, how fast both may send, whose tokens are believed.
Does not own: what a tenant sells or buys.
Invariants: a key's text is shown once and never stored; a revoked key stays revoked; every other
context refers to a tenant by id only.
"""
