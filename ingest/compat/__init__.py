"""Events as other products' clients send them: bodies to events, and the peers' own answers.

Owns: what each peer's body says in Tollbook's words, and the resources that it answers with. Does
not own: routes, credentials and error bodies (`api/compat/`), the contract of an event.
Invariants: pure; the same request sent again gives the same events, so it counts once; numbers and
texts of properties are passed on as the exact text received.
"""
