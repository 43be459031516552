"""Events on disk: written before `record` returns, read by the sender, deleted once settled.

    SPOOL/                     the folder that a client is given; processes share it
    ├── .lock                  held while sub-spools are made, adopted and removed
    ├── refused.ndjson         events that the server refused, and why
    ├── damaged/               segments in which something could not be read
    └── 4f1c…/                 the sub-spool of one client in one process
        ├── lock               held as long as its owner lives: the kernel lets go at its death
        ├── position           everything before this place is settled
        └── 00000000000000000000.spool    a segment, named by the place at which it begins

Owns: segments, positions, locks; who reads what a dead process left behind.
Does not own: when and how events are sent.
Invariants: a segment has one writer, which alone appends to it and never after its process;
a frame is settled only after the server's word on it; what cannot be read is set aside, never
deleted.
"""
