"""The fast way from the text of a batch of events to columns: compiled, for clean texts only.

Owns: finding, checking and hashing the events of a text that breaks no rule. Does not own: the
contract, which `core.cloudevents.contract` states, nor any verdict on an event that breaks it.
Invariants: pure; a text that is taken here gives what the contract gives for it, byte for byte;
whatever is odd (a fault, an escape in a name, a void) is left to the contract.
"""
