"""Apache Kafka as one KRaft node: its jars, its settings, its process.

Owns: fetching the jars with Maven and checking them, the broker's settings. Does not own: topics.
Invariants: broker time is part of the log (LogAppendTime); topics are never made by accident; the
broker listens on loopback only; jars are used only when their hashes are the recorded ones.
"""
