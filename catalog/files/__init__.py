"""A tenant's whole catalog as files: read, compared, applied, written.

Owns: the document of a catalog and its entries, which the set-up file of a tenant shares; what an
entry comes to beside what is stored; the folder of TOML files. Does not own: what a meter, a price
or a plan may be (`catalog`), who buys.
Invariants: what is exported and applied changes nothing, here or twice elsewhere; a comparison runs
the very code that applies, and takes it back; nothing is archived unless that is asked for.
"""
