"""What a process tells about itself: structured logs, correlation ids, traces, metrics, health.

Owns: the set-up of logs and traces at entry points, the id of a request on its way through the
processes, the small HTTP server of processes that serve nothing else.
Does not own: what is worth telling (each package does), metric names (`core.metric_names`).
Invariants: nothing is set up by an import; what is switched off costs a comparison; a record of
telemetry that cannot be delivered never stops the work that it is about.
"""
