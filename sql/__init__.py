"""All SQL of Tollbook, as `.sql` files, and the one loader.

Owns: every migration and query. Does not own: connections; it executes nothing.
Invariants: a statement is read from exactly one file; values are bound by the driver, never pasted.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent


@cache
def load(name: str) -> str:
    """The text of `sql/<name>.sql`, for example `load("postgres/queries/insert_invoice")`.

    Raises `FileNotFoundError` when there is no such file.
    """
    return (ROOT / f"{name}.sql").read_text(encoding="utf-8")
