"""Whether the database keeps tenants apart by itself, whatever a query forgets."""

from __future__ import annotations

from dataclasses import dataclass

import sql
from db.postgres import Connection


@dataclass(frozen=True, slots=True)
class Offender:
    """A table, view, function or role through which a tenant could see another one."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"{self.name} {self.problem}"


def find_offenders(conn: Connection) -> list[Offender]:
    """All of them: there should be none. For the owner of the schemas."""
    conn.execute("SELECT set_config('search_path', 'pg_catalog', true)")  # names are shown whole
    rows = conn.execute(sql.load("postgres/queries/select_tenancy_offenders"), {})
    return [Offender(**row) for row in rows]
