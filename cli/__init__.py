"""The `tollbook` command.

Owns: arguments, progress bars, tables, exit codes. Does not own: logic that the API lacks; a
command calls one service function and prints its answer.
Invariants: an error is one clear line on stderr and an exit code other than 0; what a program may
want to read has `--json`; `--help` loads no server library.
"""
