"""How fast, measured beside plain code that does the same job, with both results checked.

Owns: the benchmarks, their data, their baselines, the figures measured last (`results/`).
Does not own: correctness tests; every benchmark checks its results, but proves nothing else.
Invariants: a baseline runs in the same run, on the same servers; a figure without equal results is
no figure (the exit code is not 0); nothing stays behind: no process, no file but the results.
"""
