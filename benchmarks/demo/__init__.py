"""The demo: a real day of LLM requests in, two proven invoices out, a worker killed in between.

Owns: the story that `make demo` tells, and the recount it is held against. Does not own: anything
that the product needs to run. Invariants: it ends with exit code 0 only if nothing differs.
"""
