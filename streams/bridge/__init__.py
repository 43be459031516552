"""The inbox bridge: CloudEvents that foreign producers wrote to Kafka, put into the log.

Owns: what a record of the inbox says, its dead letters, the process that carries it into the log.
Does not own: the contract of an event (`core.cloudevents`), the log's verdicts.
Invariants: the receive time of an event is the broker's time of its record, so that reading a
record again makes the same events again; a record that cannot be read never holds up the others.
"""
