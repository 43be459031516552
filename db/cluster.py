"""The ClickHouse schema of a cluster, derived from the very statements of a single server.

Every table becomes replicated. A table that is keyed by generation and partition is spread over the
shards by them, so that all that one partition of the log proves lies on one shard: rows are in
`<name>_local`, and `<name>` is the Distributed table over them. Any other table is small and is the
same on every server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

import sql
from core.errors import InternalError, ValidationError
from db.migrations import discover, split_statements

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_CREATE: Final = re.compile(
    r"(?P<head>CREATE TABLE IF NOT EXISTS) (?P<name>\w+)\s*(?P<columns>\(.*\))\s*"
    r"ENGINE = ReplacingMergeTree(?:\((?P<version>\w+)\))?\s+"
    r"(?P<rest>.*ORDER BY \((?P<key>[^\n]*)\).*)",
    re.DOTALL,
)
_CHANGE: Final = re.compile(
    r"(?P<head>ALTER TABLE|TRUNCATE TABLE|DELETE FROM|DROP TABLE IF EXISTS"
    r"|CREATE DATABASE IF NOT EXISTS)"
    r" (?P<name>\w+|{database:Identifier})(?P<rest>.*)",
    re.DOTALL,
)
_NOW: Final = {"mutations_sync": 2, "lightweight_deletes_sync": 2}
_SHARDED_BY: Final = ("generation", "partition")
_ON_COLUMNS: Final = re.compile(r"(ADD|MODIFY|DROP) COLUMN\b")
_ON_BOTH: Final = re.compile(r"\b(ADD|MODIFY|DROP) (COLUMN|INDEX|SETTING)\b")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster by its name in the servers' `remote_servers`.

    The servers define the macros `{shard}` and `{replica}`. Raises `ValidationError` for a name
    that is none.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValidationError(
                f"cluster: {self.name!r} is no name of a cluster; use letters, digits, _ and -",
                field="cluster",
            )

    def render(self, statement: str, sharded: frozenset[str]) -> tuple[str, ...]:
        """What takes the place of a statement about a table, or of the one that makes a database.

        sharded: the names of the sharded tables there are; see `sharded_tables`. Raises
        `InternalError` for any other statement.
        """
        if created := _CREATE.fullmatch(statement):
            return self._create(created)
        changed = _CHANGE.fullmatch(statement)
        if changed is None:
            raise InternalError(f"a cluster has no form of: {statement[:80]}")
        head, name, rest = changed["head"], changed["name"], changed["rest"]
        if name not in sharded:
            return (f"{head} {name} {self._everywhere}{rest}",)
        made = [f"{head} {name}_local {self._everywhere}{rest}"]
        if head.startswith("DROP"):
            made.append(f"{head} {name} {self._everywhere}{rest}")
        if columns := _column_changes(rest):
            made.append(f"{head} {name} {self._everywhere} {columns}")
        return tuple(made)

    @property
    def _everywhere(self) -> str:
        return f"ON CLUSTER `{self.name}`"

    def _create(self, created: re.Match[str]) -> tuple[str, ...]:
        name, columns = created["name"], created["columns"]
        rest = created["rest"].replace("non_replicated_deduplication", "replicated_deduplication")
        spread = _is_sharded(created)
        stored = f"{name}_local" if spread else name
        path = f"/clickhouse/tables/{{database}}/{stored}" + ("/{shard}" if spread else "")
        replica = "{shard}-{replica}"
        version = f", {created['version']}" if created["version"] else ""
        table = (
            f"{created['head']} {stored} {self._everywhere}\n{columns}\n"
            f"ENGINE = ReplicatedReplacingMergeTree('{path}', '{replica}'{version})\n{rest}"
        )
        if not spread:
            return (table,)
        over = (
            f"{created['head']} {name} {self._everywhere} AS {stored}\n"
            f"ENGINE = Distributed('{self.name}', currentDatabase(), {stored},"
            f" cityHash64({', '.join(_SHARDED_BY)}))"
        )
        return table, over


def sharded_tables(statements: tuple[str, ...]) -> frozenset[str]:
    """The names of the tables among these statements that a cluster spreads over its shards."""
    created = (_CREATE.fullmatch(statement) for statement in statements)
    return frozenset(match["name"] for match in created if match and _is_sharded(match))


def cluster_of(client: Client) -> Cluster | None:
    """The cluster that the database's tables were made for, None on a single server."""
    rows = client.query(sql.load("clickhouse/queries/cluster_of_tables")).result_rows
    return Cluster(rows[0][0]) if rows else None


def run_statements(client: Client, name: str, parameters: dict[str, object]) -> None:
    """Run the changes of a file of `sql/clickhouse/queries`, on a cluster in the cluster's form.

    A change is there, on all replicas, when its statement ends.
    """
    cluster = cluster_of(client)
    created = tuple(one for file in discover("clickhouse") for one in file.statements)
    sharded = sharded_tables(created)
    for statement in split_statements(sql.load(f"clickhouse/queries/{name}")):
        for made in cluster.render(statement, sharded) if cluster else (statement,):
            client.command(made, parameters=parameters, settings=_NOW)


def _is_sharded(created: re.Match[str]) -> bool:
    key = {column.strip() for column in created["key"].split(",")}
    return key.issuperset(_SHARDED_BY)


def _column_changes(rest: str) -> str:
    """The changes of columns alone: a Distributed table has neither indices nor settings."""
    starts = [match.start() for match in _ON_BOTH.finditer(rest)]
    ends = [*starts[1:], len(rest)][: len(starts)]
    parts = [rest[at:end] for at, end in zip(starts, ends, strict=True)]
    return ", ".join(part.strip().rstrip(",") for part in parts if _ON_COLUMNS.match(part.strip()))
