"""HTTP assembly: applications, who the caller is, error bodies, health.

Owns: turning packages into served applications, API keys to principals, error families to statuses.
Does not own: SQL, arithmetic, any rule of a single context.
Invariants: a tenant comes from the credential, never from the body; every answer that is not 2xx
has the native error body, or a problem document where the client asks for one, or below `/compat`
the peer's; an unexpected error tells the caller a trace id and nothing of the inside.
"""
