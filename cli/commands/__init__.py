"""One file per command or group of commands of `tollbook`.

Owns: each command's arguments and output. Does not own: the behaviour behind it.
Invariants: module `x` offers either a function `x`, the command, or `app`, a `typer.Typer` with the
group's commands; heavy imports stay inside functions.
"""
