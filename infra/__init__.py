"""How the system is run: the local stack that demo, tests and `tollbook up` share.

Owns: starting, checking and stopping servers, and where their state lies. Does not own: schemas,
topics or any business rule; it never reads what the servers store.
Invariants: a server listens on loopback only and asks for a password where it can; a process is
signalled only while pid and start time both match what was recorded; nothing is written outside the
state directory and the shared cache of downloads.
"""
