"""How fast a key and a tenant may send, over all ingest processes of a machine.

Owns: what is spent of each limit, in a file that the processes share; the refusal and its headers.
Does not own: the arithmetic (`core.rate_limits`), where limits are stored (`identity`).
Invariants: in no stretch of time is more admitted than the burst and what the stretch gains; a
refused request costs nothing; no process that dies holds another up.
"""
