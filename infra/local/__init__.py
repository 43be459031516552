"""The local stack: Apache Kafka, the embedded ClickHouse engine and Postgres, without containers.

Owns: the three server processes, their ports, passwords, logs and data under one state directory.
Does not own: what runs on them; the ClickHouse owner process has a package of its own below.
Invariants: several stacks live side by side; a part that says it is ready answers queries; a part
killed with SIGKILL comes back with its data; what cannot be started names its cause and the cure.
"""
